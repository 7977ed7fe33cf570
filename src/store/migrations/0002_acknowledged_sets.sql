-- An acknowledged set is kept with its members, a JSON list, instead of only its hash. No member is known of what was kept before: the
-- next plan finds them.
UPDATE memory SET value = '[]' WHERE part = 'acknowledged';
