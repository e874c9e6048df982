-- A password that somebody else has seen, such as the one that the console has printed for an admin, opens nothing but its own change.

alter table accounts add column must_change_password boolean not null default false;
