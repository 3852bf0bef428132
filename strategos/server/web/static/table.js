// A table of Blob, drawn: who sits there, bids, the trick, the scores. The same for a game and for a replay.

import {face, short, suit, TRUMPS} from "./cards.js";
import {chip, h} from "./dom.js";

const bidOf = (bid) => (bid < 0 ? "–" : String(bid));

export class TableView {
  constructor(place, colours) {
    this.colours = colours;
    this.facts = h("p", {class: "facts", id: "facts"});
    this.seats = h("ul", {class: "around", "aria-label": "At the table"});
    this.trick = h("div", {class: "trick", id: "trick", "aria-label": "Trick"});
    this.scores = h("tbody");
    this.last = h("div", {class: "last", id: "last"});
    this.below = h("div", {class: "below"});
    place.replaceChildren(h("div", {class: "stage blob"},
      h("div", {class: "cloth"}, this.facts, this.seats, this.trick, this.below),
      this.side = h("aside", {class: "side"},
        h("section", {class: "card", "aria-label": "Scores"}, h("table", {class: "scores", id: "scores"}, h("thead", {}, h("tr", {},
          ["player", "bid", "took", "score"].map((text) => h("th", {scope: "col"}, text)))), this.scores)),
        h("section", {class: "card", "aria-label": "Last trick"}, h("h2", {}, "Last trick"), this.last))));
  }

  draw(table, names, me = null) {
    const trump = TRUMPS[table.trump], bids = table.bids.filter((bid) => bid >= 0).reduce((sum, bid) => sum + bid, 0);
    this.facts.replaceChildren(h("span", {}, `Round ${table.round + 1} of ${table.rounds}`), h("span", {}, `${table.cards} card${table.cards > 1 ? "s" : ""}`),
      h("span", {class: "trump", id: "trump"}, table.trump === 4 ? trump : `trump ${trump}`), h("span", {}, `${bids} bid of ${table.cards}`));
    const current = table.tricks.at(-1) ?? [], complete = current.length === table.players + 1;
    const winner = complete ? table.winners.at(-1) : -1;
    this.seats.replaceChildren(...names.map((name, seat) => this.seat(table, names, seat, me)));
    this.trick.replaceChildren(...current.slice(1).map((card, place) => {
      const seat = (current[0] + place) % table.players;
      return h("figure", {class: seat === winner ? "won" : ""}, face(card), h("figcaption", {}, names[seat], seat === winner ? h("span", {class: "unseen"}, " takes it") : null));
    }));
    const before = table.tricks.at(-2);
    this.last.replaceChildren(...(before ? before.slice(1).map((card, place) => h("span", {class: "small"}, face(card, {class: "tiny"}), ` ${names[(before[0] + place) % table.players]} `))
      : [h("span", {class: "dim"}, "none in this round")]));
    this.scores.replaceChildren(...names.map((name, seat) => h("tr", {}, h("td", {title: name}, chip(seat, this.colours), name, seat === me ? h("b", {}, " you") : null),
      h("td", {}, bidOf(table.bids[seat])), h("td", {}, table.bids[seat] < 0 ? "–" : table.taken[seat]), h("td", {}, table.scores[seat]))));
  }

  seat(table, names, seat, me) {
    const turn = table.turn === seat, held = table.hands?.[seat];
    return h("li", {class: `seat ${turn ? "turn" : ""} ${seat === me ? "me" : ""}`},
      h("span", {class: "who"}, chip(seat, this.colours), names[seat]),
      h("span", {class: "dim"}, `${seat === table.dealer ? "dealer · " : ""}${table.bids[seat] < 0 ? "no bid yet" : `bid ${table.bids[seat]}, took ${table.taken[seat]}`}`),
      held ? h("span", {class: "held"}, held.map((card) => face(card, {class: "tiny"}))) : null,
      turn ? h("span", {class: "unseen"}, " to move") : null);
  }
}

// Who took each full trick of a table: the highest trump, else the highest card of the suit that was led.
export function winnersOf(table) {
  return table.tricks.filter((trick) => trick.length === table.players + 1).map(([leader, ...cards]) => {
    const strength = (card) => card + (suit(card) === suit(cards[0]) ? 64 : 0) + (suit(card) === table.trump ? 128 : 0);
    return (leader + cards.findIndex((card) => cards.every((other) => strength(other) <= strength(card)))) % table.players;
  });
}

// The table when only the first bids and cards of what has happened are seen; `shown` counts both.
export function part(table, shown) {
  const {players} = table, made = table.bids.filter((bid) => bid >= 0).length;
  if (shown >= made + countCards(table)) return table;
  const bids = [...table.bids], tricks = [], first = (table.dealer + 1) % players;
  for (let place = shown; place < players; place++) bids[(first + place) % players] = -1;
  let left = Math.max(0, shown - made), turn = shown < players ? (first + shown) % players : first;
  const taken = Array(players).fill(0), winners = [];
  for (const [number, trick] of table.tricks.entries()) {
    if (left <= 0) break;
    const cards = trick.slice(1, 1 + left);
    left -= cards.length;
    tricks.push([trick[0], ...cards]);
    turn = (trick[0] + cards.length) % players;
    if (cards.length === players) { turn = table.winners[number]; taken[turn]++; winners.push(turn); }
  }
  return {...table, bids, tricks, taken, winners, turn, legal: []};
}

export function countCards(table) { return table.tricks.reduce((sum, trick) => sum + trick.length - 1, 0); }
export function countMoves(table) { return table.bids.filter((bid) => bid >= 0).length + countCards(table); }

// What the last of the first `shown` moves of a table was, in words.
export function wordsOf(table, shown, names) {
  const {players} = table, first = (table.dealer + 1) % players;
  if (shown < 1) return "";
  if (shown <= players) { const seat = (first + shown - 1) % players; return `${names[seat]} bids ${table.bids[seat]}`; }
  let left = shown - players;
  for (const trick of table.tricks) {
    if (left < trick.length) return `${names[(trick[0] + left - 1) % players]} plays ${short(trick[left])}`;
    left -= trick.length - 1;
  }
  return "";
}
