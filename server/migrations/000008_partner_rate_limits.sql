-- Requests a minute that SIR Giving has agreed with a partner. Null: its tier says.

alter table partners add column sandbox_requests_per_minute integer check (sandbox_requests_per_minute between 1 and 1000000);
alter table partners add column production_requests_per_minute integer check (production_requests_per_minute between 1 and 1000000);
