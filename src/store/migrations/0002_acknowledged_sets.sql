-- An acknowledged set is kept with its members, a JSON list, instead of only its hash. No member is known of what was kept before: the
-- next plan finds them.
-- New parts of the memory: freed, organization. A version that does not know them must not read them, hence this number.
UPDATE memory SET value = '[]' WHERE part = 'acknowledged';
