-- An app that we made is kept with the server's id of it, instead of only the moment. The id of what was kept before is not known.
UPDATE memory SET value = json_object('at', json(value), 'id', NULL) WHERE part = 'born';
