-- Erasing a person goes in portions; this is what they share.

-- What stands in the place of the external id wherever the person was named; set when an erasure begins, so that one that was cut off
-- goes on with the same.
alter table partner_users add column erasing_as text collate "C";
