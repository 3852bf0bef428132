-- What `strategos host` had written to journal.sqlite when its format was 1, as SQLite dumps it.
BEGIN TRANSACTION;
CREATE TABLE files (number INTEGER PRIMARY KEY, replays TEXT NOT NULL);
CREATE TABLE players (
  game TEXT, name TEXT, mu REAL NOT NULL, sigma REAL NOT NULL, games INTEGER NOT NULL, wins INTEGER NOT NULL,
  PRIMARY KEY (game, name)) WITHOUT ROWID;
INSERT INTO "players" VALUES('generals','ann',25.4111001737357,7.82210295723689,2,1);
INSERT INTO "players" VALUES('generals','bob',24.5888998262643,7.82210295723689,2,1);
CREATE TABLE results (
  replay TEXT PRIMARY KEY, room TEXT NOT NULL UNIQUE, game TEXT NOT NULL, options TEXT NOT NULL,
  names TEXT NOT NULL, returns TEXT NOT NULL, places TEXT NOT NULL, ratings TEXT NOT NULL,
  reason TEXT NOT NULL, truncated INTEGER NOT NULL, ticks INTEGER NOT NULL, final_hash TEXT NOT NULL,
  seed INTEGER NOT NULL,
  private INTEGER NOT NULL, ended_at REAL NOT NULL, recorded INTEGER NOT NULL, file INTEGER, place INTEGER);
INSERT INTO "results" VALUES('SfGh5ffYPkiI__rn','JIsS8HTe6LfdPSxquvcsuw','generals','{"height": 8, "width": 8, "players": 2, "ruleset": "generalsio", "teams": [0, 1], "min_height": null, "min_width": null, "spawn_distance": null, "mountains": null, "cities": null}','["ann", "bob"]','[-1.0, 1.0]','[2, 1]','[-1.8317503324442903, 3.4387124345030067]','played',0,4,'af6f6753d9a0809560bfc6ef4f0c5ea1f1dcdf663566763855d00717e0423c39',494434939894977368,0,1.7953148817056469917e+09,1,NULL,NULL);
INSERT INTO "results" VALUES('CWFtf5dJhBeZFSDA','zZmRbslVJkv6_u-2F15uyw','generals','{"height": 8, "width": 8, "players": 2, "ruleset": "generalsio", "teams": [0, 1], "min_height": null, "min_width": null, "spawn_distance": null, "mountains": null, "cities": null}','["ann", "bob"]','[1.0, -1.0]','[1, 2]','[1.9447913020250311, 1.1225909545536297]','played',0,5,'c7dfbeedaa6723525f76b3f01d4146fd08d512f37e74c361d8d4213c6351490a',3787300101957886103,0,1.79531488174495959279e+09,1,NULL,NULL);
CREATE TABLE rooms (
  id TEXT PRIMARY KEY, code TEXT NOT NULL, game TEXT NOT NULL, options TEXT NOT NULL, pace TEXT NOT NULL,
  seconds REAL NOT NULL, agents TEXT NOT NULL, private INTEGER NOT NULL, chosen_seed INTEGER,
  tick_limit INTEGER NOT NULL, quick INTEGER NOT NULL, seed INTEGER NOT NULL, made_at REAL NOT NULL,
  phase TEXT NOT NULL, seating TEXT NOT NULL, unrecorded INTEGER NOT NULL DEFAULT 0);
INSERT INTO "rooms" VALUES('JIsS8HTe6LfdPSxquvcsuw','MXNRLA4H','generals','{"height": 8, "width": 8, "players": 2, "ruleset": "generalsio", "teams": [0, 1], "min_height": null, "min_width": null, "spawn_distance": null, "mountains": null, "cities": null}','lockstep',0.0,'{}',0,NULL,0,0,494434939894977368,1.79531484547017359731e+09,'over','[0, 1]',0);
INSERT INTO "rooms" VALUES('zZmRbslVJkv6_u-2F15uyw','BWLE227M','generals','{"height": 8, "width": 8, "players": 2, "ruleset": "generalsio", "teams": [0, 1], "min_height": null, "min_width": null, "spawn_distance": null, "mountains": null, "cities": null}','lockstep',0.0,'{}',0,NULL,0,0,3787300101957886103,1.79531488171095156671e+09,'over','[0, 1]',0);
INSERT INTO "rooms" VALUES('tvoYzq15T8vt21J-_66V_g','4XZAE76Q','generals','{"height": 8, "width": 8, "players": 2, "ruleset": "generalsio", "teams": [0, 1], "min_height": null, "min_width": null, "spawn_distance": null, "mountains": null, "cities": null}','lockstep',0.0,'{}',1,NULL,0,0,641600364482193823,1.79531488175013399129e+09,'running','[0, 1]',0);
INSERT INTO "rooms" VALUES('1nGj3e7GzsDVL9ACjpKZlQ','GYC9YPNS','generals','{"height": 8, "width": 8, "players": 2, "ruleset": "generalsio", "teams": [0, 1], "min_height": null, "min_width": null, "spawn_distance": null, "mountains": null, "cities": null}','lockstep',0.0,'{}',0,NULL,0,0,2238315885806968948,1.79531488195743274688e+09,'open','[0, 1]',0);
CREATE TABLE seats (
  room TEXT, chair INTEGER, name TEXT NOT NULL, ident TEXT NOT NULL, agent TEXT NOT NULL,
  gone INTEGER NOT NULL, PRIMARY KEY (room, chair)) WITHOUT ROWID;
INSERT INTO "seats" VALUES('1nGj3e7GzsDVL9ACjpKZlQ',0,'eve','fxCk5zw1dh9HM3-KJhQrxw','',0);
INSERT INTO "seats" VALUES('JIsS8HTe6LfdPSxquvcsuw',0,'ann','KvEFfrRTiUeyNpc-xODNmA','',0);
INSERT INTO "seats" VALUES('JIsS8HTe6LfdPSxquvcsuw',1,'bob','2654xmyvb9AMPJkHqkmBNA','',0);
INSERT INTO "seats" VALUES('tvoYzq15T8vt21J-_66V_g',0,'cid','N9xne5OkywzQbFTBcizaIQ','',0);
INSERT INTO "seats" VALUES('tvoYzq15T8vt21J-_66V_g',1,'dan','vlgHJ35G0c6_902rFy6QTw','',0);
INSERT INTO "seats" VALUES('zZmRbslVJkv6_u-2F15uyw',0,'ann','RqmcMKy4upZQmEES_AGGsw','',0);
INSERT INTO "seats" VALUES('zZmRbslVJkv6_u-2F15uyw',1,'bob','NiuFBlPTiKgf-_kD8ezitA','',0);
CREATE TABLE ticks (room TEXT, tick INTEGER, actions BLOB NOT NULL, PRIMARY KEY (room, tick)) WITHOUT ROWID;
INSERT INTO "ticks" VALUES('JIsS8HTe6LfdPSxquvcsuw',0,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('JIsS8HTe6LfdPSxquvcsuw',1,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('JIsS8HTe6LfdPSxquvcsuw',2,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('JIsS8HTe6LfdPSxquvcsuw',3,X'912B7BFCFFFFFFFF00020000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',0,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',1,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',2,X'C7E3C02DAC01000003010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',3,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',4,X'EEF299F1AD01000000020000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',5,X'033E66D0A001000001010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',6,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',7,X'BB8DB99FAB01000002010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',8,X'ABFB14D60002000006010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',9,X'69FBF637AB01000000020000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',10,X'F5131E1AAC01000006010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',11,X'9DD81CC5E901000040010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',12,X'6659DA68A001000000010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',13,X'44D3A013000200000E010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',14,X'12C3C34B0002000001010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',15,X'23474C3C00020000C1000000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',16,X'C7E3C02DAC01000003010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',17,X'B6DA2AA1A001000086000000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',18,X'258D1353AA01000002010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',19,X'23474C3C00020000C1000000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',20,X'B74CDFF3AD01000000010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',21,X'C5FA4966EF01000083000000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',22,X'A07B2507A7010000C3000000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',23,X'F67AB2DAAA01000041010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',24,X'AE451AF9AA01000000010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',25,X'84D1D9CFEE01000040010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',26,X'69FBF637AB01000000020000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',27,X'7E1DD5F9F601000000020000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',28,X'DEEA0527AB01000003010000');
INSERT INTO "ticks" VALUES('tvoYzq15T8vt21J-_66V_g',29,X'65D6A671EE01000006010000');
INSERT INTO "ticks" VALUES('zZmRbslVJkv6_u-2F15uyw',0,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('zZmRbslVJkv6_u-2F15uyw',1,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('zZmRbslVJkv6_u-2F15uyw',2,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('zZmRbslVJkv6_u-2F15uyw',3,X'2E1A39F10002000000020000');
INSERT INTO "ticks" VALUES('zZmRbslVJkv6_u-2F15uyw',4,X'A3EE062C00020000FFFFFFFF');
CREATE INDEX results_by_end ON results (private, ended_at DESC);
CREATE INDEX results_to_file ON results (ended_at) WHERE file IS NULL AND recorded;
PRAGMA user_version=1;
COMMIT;
