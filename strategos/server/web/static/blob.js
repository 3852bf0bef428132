// A game of Blob at this seat: the hand and the bids to choose from, the others' moves shown one after the other.

import {BID, face, short, sorted, spoken} from "./cards.js";
import {announce, h} from "./dom.js";
import {play} from "./sounds.js";
import {countMoves, part, TableView, winnersOf, wordsOf} from "./table.js";

const STEP_MS = 420, TRICK_MS = 900, ROUND_MS = 1600;

export class BlobView {
  constructor(place, {welcome, watching, send, tell}) {
    Object.assign(this, {welcome, watching, send, tell, state: null, shown: 0, round: -1, timer: null});
    this.drawn = new TableView(place, welcome.colours);
    this.side = this.drawn.side;
    this.said = h("p", {class: "turnline", id: "turn"});
    this.bids = h("div", {class: "bids", id: "bids", role: "group", "aria-label": "Your bid"});
    this.hand = h("div", {class: "hand", id: "hand", role: "group", "aria-label": "Your hand"});
    this.drawn.below.replaceChildren(this.said, this.bids, this.hand);
    this.quick = matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  leave() { clearTimeout(this.timer); }
  again() { this.sent = null; }
  focus() {}
  time() { return ""; }

  update(state) {
    const table = state.table;
    table.winners = winnersOf(table);
    if (table.finished) {
      table.finished = {...table, ...table.finished, turn: -1, legal: []};
      table.finished.winners = winnersOf(table.finished);
    }
    this.state = state;
    if (this.round < 0) { this.round = table.round; this.shown = countMoves(table); }  // who comes back sees it as it is
    if (this.sent !== state.tick) this.sent = null;
    if (this.timer === null) this.step();
  }

  // What is looked at: this round, or the one before it until its last trick was seen; null where nobody can tell.
  get source() {
    const {table} = this.state;
    if (table.round === this.round) return table;
    return table.finished?.round === this.round ? table.finished : null;
  }

  step() {
    this.timer = null;
    let source = this.source;
    if (!source) return this.turnRound();
    const all = countMoves(source);
    if (this.shown < all && !this.quick) this.shown++;
    else this.shown = all;
    const seen = part(source, this.shown), latest = seen.tricks.at(-1) ?? [];
    this.draw(seen);
    if (this.words !== `${this.round} ${this.shown}`) {
      this.words = `${this.round} ${this.shown}`;
      const words = wordsOf(source, this.shown, this.state.names);
      if (words) { announce(words); play("card"); }
    }
    const whole = latest.length === seen.players + 1;
    if (this.shown < all) return this.later(whole ? TRICK_MS : STEP_MS);
    if (source !== this.state.table) return this.later(ROUND_MS, () => this.turnRound());
  }

  later(wait_ms, act = () => this.step()) {
    if (this.quick) return act();
    this.timer = setTimeout(() => { this.timer = null; act(); }, wait_ms);
  }

  // To the round that is being played; says what the last one brought.
  turnRound() {
    const {table, names, seat} = this.state;
    if (this.round === table.round) return;
    const best = table.last_scores.map((points, each) => [points, each]).filter(([points]) => points > 0);
    this.tell(`Round ${this.round + 1}: ${best.length ? best.map(([points, each]) => `${each === seat ? "you" : names[each]} +${points}`).join(", ") : "nobody scores"}`);
    this.round = table.round;
    this.shown = 0;
    this.words = "";
    this.step();
  }

  draw(table) {
    const {state} = this, {names, seat} = state;
    this.drawn.draw(table, names, seat);
    this.drawn.trick.dataset.shown = this.shown;
    if (this.watching || seat === null) { this.said.textContent = table.turn < 0 ? "" : `${names[table.turn]} is to move`; return; }
    const mine = table === state.table && state.phase === "running" && table.turn === seat && this.sent === null;
    const legal = new Set(mine ? table.legal : []), bidding = mine && table.bids[seat] < 0;
    const left = table === state.table || table.round === state.table.round ? state.table.hand : [];
    this.said.textContent = state.phase === "over" ? "The game is over" : mine ? (bidding ? "Your turn: how many tricks will you take?" : "Your turn: play a card") : table.turn < 0 ? "" : `${names[table.turn]} is to move`;
    this.said.classList.toggle("mine", mine);
    this.bids.replaceChildren(...(bidding ? Array.from({length: table.cards + 1}, (_, bid) => h("button", {type: "button", "data-bid": bid,
      disabled: !legal.has(BID + bid), title: legal.has(BID + bid) ? `bid ${bid} (key ${bid})` : "the bids may not add up to the cards", onclick: () => this.choose(BID + bid)}, String(bid))) : []));
    const held = document.activeElement?.closest?.("#hand")?.contains(document.activeElement) ? document.activeElement.dataset.card : null;
    this.hand.classList.toggle("choosing", mine && !bidding);
    this.hand.replaceChildren(...sorted(left).map((card) => face(card, {type: "button", disabled: !legal.has(card), "aria-label": spoken(card), title: short(card), onclick: () => this.choose(card)}, "button")));
    if (mine && this.turnAt !== state.tick) {
      this.turnAt = state.tick;
      play("turn");
      announce(bidding ? `Your turn to bid, 0 to ${table.cards}.` : `Your turn. You may play ${table.legal.map(spoken).join(", ")}.`);
      if (this.typed || held !== null) this.hand.querySelector("button:not(:disabled)")?.focus({preventScroll: true});
    }
  }

  choose(action) {
    if (this.sent !== null) return;
    const {state} = this;
    if (this.send({type: "act", action, tick: state.tick, key: `${state.tick}`})) this.sent = state.tick;
    this.draw(part(state.table, this.shown));
  }

  refused(about) {
    if (about !== "act") return;
    this.sent = null;
    this.draw(part(this.state.table, this.shown));
  }

  key(event) {
    const {state} = this;
    if (!state || this.watching) return;
    const buttons = [...(this.bids.children.length ? this.bids : this.hand).querySelectorAll("button:not(:disabled)")];
    if (/^[0-9]$/.test(event.key) && this.bids.children.length) this.bids.querySelector(`[data-bid="${event.key}"]:not(:disabled)`)?.click();
    else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && buttons.length) {
      const at = buttons.indexOf(document.activeElement), step = event.key === "ArrowRight" ? 1 : -1;
      buttons[at < 0 ? 0 : (at + step + buttons.length) % buttons.length].focus();
    } else return;
    this.typed = true;
    event.preventDefault();
  }
}
