// A room: waiting for players, the game itself, its end; the words that are said there. One link, one view of a game.

import {ask, dropTicket, keepTicket, ticketOf} from "./api.js";
import {BlobView} from "./blob.js";
import {announce, forGame, h, teamsOf, toast} from "./dom.js";
import {GeneralsView} from "./generals.js";
import {Link} from "./link.js";
import {play} from "./sounds.js";

const VIEWS = {generals: GeneralsView, blob: BlobView};
const PHASES = {open: "waiting for players", preparing: "preparing the board", running: "", over: "over"};
const MOST_LINES = 100;

export function showRoom(root, room, how) {
  const shown = new Room(root, room, how === "watch");
  shown.enter();
  return () => shown.leave();
}

class Room {
  constructor(root, room, watching) {
    Object.assign(this, {root, room, watching, view: null, state: null, welcome: null, link: null, gone: false});
    this.title = h("h1", {}, "…");
    this.phase = h("span", {class: "dim", id: "phase"});
    this.clock = h("span", {class: "clock", id: "clock"});
    this.line = h("p", {class: "line", role: "status", hidden: true});
    this.waiting = h("section", {class: "card waiting", id: "waiting", "aria-label": "Waiting room", hidden: true});
    this.end = h("section", {class: "card end", id: "end", "aria-label": "Result", tabindex: -1, hidden: true});
    this.place = h("div", {class: "place"});
    this.said = h("ol", {class: "said", id: "said", "aria-label": "What happened", tabindex: 0});
    this.chat = h("form", {class: "chat", onsubmit: (event) => this.say(event)},
      h("input", {name: "text", maxLength: 200, autocomplete: "off", placeholder: "Say something", "aria-label": "Say something"}),
      h("button", {type: "submit"}, "Send"));
    this.talk = h("section", {class: "card talk", "aria-label": "Talk"}, h("h2", {}, "What happened"), this.said, watching ? null : this.chat);
    this.onkey = (event) => { if (this.view && forGame(event)) this.view.key(event); };
    this.timer = setInterval(() => this.tickClock(), 250);
  }

  async enter() {
    const ticket = this.watching ? null : ticketOf(this.room);
    let token = ticket?.token;
    try {
      if (this.watching) token = (await ask(`/api/rooms/${this.room}/spectate`, {})).token;
    } catch (refusal) { return this.shut(refusal.message); }
    if (this.gone) return;
    if (!token) return this.shut("This browser has no seat in that room.");
    this.root.replaceChildren(
      h("div", {class: "bar"}, this.title, this.phase, this.clock), this.line, this.waiting, this.end, this.place,
      this.talk);
    document.addEventListener("keydown", this.onkey);
    this.link = new Link(token, (message) => this.hear(message), (text) => this.tell(text));
  }

  leave() {
    this.gone = true;
    clearInterval(this.timer);
    document.removeEventListener("keydown", this.onkey);
    this.link?.close();
    this.view?.leave();
  }

  shut(text) {
    const buttons = [h("a", {class: "button", href: "#/"}, "To the lobby")], replay = /replay is ([\w-]+)/.exec(text)?.[1];
    if (replay) buttons.unshift(h("a", {class: "button first", href: `#/replay/${replay}`}, "Watch the replay"));
    else if (!this.watching) buttons.unshift(h("a", {class: "button first", href: `#/join/${this.room}`}, "Join it"), h("a", {class: "button", href: `#/watch/${this.room}`}, "Watch it"));
    this.root.replaceChildren(h("section", {class: "card"}, h("h1", {}, "Not here"), h("p", {}, text), h("div", {class: "row"}, buttons)));
  }

  tell(text) {
    this.line.textContent = text;
    this.line.hidden = !text;
  }

  send(message) {
    const sent = this.link.send(message);
    if (!sent) this.tell("The line is down; that was not sent.");
    return sent;
  }

  hear(message) {
    if (message.type === "welcome") this.greet(message);
    else if (message.type === "state") this.update(message);
    else if (message.type === "event") this.happened(message);
    else if (message.type === "ticket") this.moveTo(message);
    else if (message.type === "error") this.refused(message);
  }

  greet(welcome) {
    const back = Boolean(this.welcome);
    this.welcome = welcome;
    if (back) return this.view.again();
    this.view = new VIEWS[welcome.game](this.place, {
      welcome, watching: this.watching, send: (message) => this.send(message), tell: (text) => this.add(text),
    });
    this.title.textContent = welcome.title;
    this.view.side.append(this.talk);
  }

  refused({code, message, about, heard}) {
    if (!this.welcome) {
      if (code === "forbidden" || code === "over") dropTicket(this.room);
      return this.shut(code === "forbidden" ? "This seat is no longer yours." : message);
    }
    this.view?.refused(about, heard);
    toast(message);
  }

  update(state) {
    const before = this.state;
    this.state = state;
    this.received = performance.now();
    this.phase.textContent = [PHASES[state.phase], this.watching && "you are watching"].filter(Boolean).join(" · ");
    this.waiting.hidden = state.phase !== "open" && state.phase !== "preparing";
    if (!this.waiting.hidden) this.showWaiting();
    this.place.hidden = !state.board && !state.changes && !state.table;
    if (this.place.hidden === (this.talk.parentElement === this.view.side)) (this.place.hidden ? this.root : this.view.side).append(this.talk);
    if (!this.place.hidden) this.view.update(state);
    if (before?.phase !== "running" && state.phase === "running") {
      this.view.focus();
      if (before) { play("start"); announce("The game begins."); }
    }
    this.tickClock();
    if (state.result && this.end.hidden) this.showEnd(state);
    this.root.dataset.phase = state.phase;
    this.root.dataset.tick = state.tick;
  }

  tickClock() {
    const {state} = this;
    if (!state) return;
    const left = state.left === null || state.phase !== "running" ? null : Math.max(0, state.left - (performance.now() - this.received) / 1000);
    const words = [state.phase === "running" || state.phase === "over" ? this.view?.time(state) : ""];
    if (left !== null && left >= 3) words.push(`${Math.ceil(left)} s left`);
    this.clock.textContent = words.filter(Boolean).join(" · ");
  }

  showWaiting() {
    const {state, welcome} = this, here = state.names.filter(Boolean).length;
    const key = JSON.stringify([state.phase, state.names, state.present, this.votes]);
    if (key === this.waitingKey) return;
    this.waitingKey = key;
    const team = teamsOf(welcome.teams) ? (seat) => `, team ${welcome.teams[seat] + 1}` : () => "";
    const seats = h("ul", {class: "seats"}, state.names.map((name, seat) =>
      h("li", {class: name ? "" : "dim"}, `${seat + 1}. ${name || "free"}${team(seat)}${seat === state.seat ? " (you)" : ""}`)));
    if (state.phase === "preparing") return this.waiting.replaceChildren(h("h2", {}, "Preparing the board…"), seats,
      h("p", {class: "dim"}, "The first game of a new size takes some seconds."));
    const address = `${location.origin}/#/join/${welcome.code}`;
    this.waiting.replaceChildren(...[h("h2", {}, `${here} of ${state.names.length} are here`), seats,
      welcome.code ? h("p", {}, "Friends join with the code ", h("strong", {class: "code", id: "room-code"}, welcome.code), " or the link:") : null,
      welcome.code ? h("div", {class: "row"}, h("input", {readOnly: true, value: address, "aria-label": "Link to this room", onfocus: (event) => event.target.select()}),
        h("button", {type: "button", onclick: () => navigator.clipboard?.writeText(address).then(() => toast("Copied."), () => {})}, "Copy")) : null,
      this.watching ? null : h("div", {class: "row"},
        h("button", {type: "button", id: "force", "aria-pressed": String(Boolean(this.forcing)), onclick: () => this.force()}, "Start with who is here"),
        this.votes ? h("span", {class: "dim"}, `${this.votes.votes} of ${this.votes.needed} want to start`) : null,
        h("button", {type: "button", onclick: () => this.quit()}, "Leave"))].filter(Boolean));
  }

  force() {
    this.forcing = !this.forcing;
    this.waitingKey = "";
    this.send({type: "force", on: this.forcing});
    this.showWaiting();
  }

  quit() {
    this.send({type: "leave"});
    dropTicket(this.room);
    location.hash = "#/";
  }

  showEnd({result, seat, names}) {
    const mine = seat === null ? null : result.returns[seat];
    const first = names.filter((_, each) => result.places[each] === 1);
    const teams = this.view.board?.team.slice(0, names.length), won = new Set(names.flatMap((_, each) => result.places[each] === 1 ? [teams?.[each]] : []));
    const together = teamsOf(teams) && first.length > 1 && won.size === 1;
    let title = together ? `${first.join(" and ")} win` : first.length > 1 ? "A draw" : `${first[0]} wins`;
    if (together && mine !== null && result.reason === "played") title = result.places[seat] === 1 ? "Your team wins" : "Your team loses";
    else if (mine !== null && result.reason === "played") title = mine > 0 && result.places[seat] === 1 && first.length === 1 ? "You win" : first.length > 1 && result.places[seat] === 1 ? "You share the first place" : "You lose";
    if (result.reason === "limit" && first.length !== 1 && !together) title = "A draw: the ticks ran out";
    if (result.reason === "idle" || result.reason === "fault") title = "The game ended without a result";
    const order = names.map((_, each) => each).sort((one, other) => result.places[one] - result.places[other]);
    this.end.replaceChildren(...[h("h2", {id: "outcome"}, title),
      h("ol", {class: "places"}, order.map((each) => h("li", {value: result.places[each]}, names[each],
        result.ratings[each] === null ? null : h("span", {class: "dim"}, ` now ${result.ratings[each].toFixed(1)}`)))),
      result.unrated ? h("p", {class: "dim", id: "unrated"}, `This game is not rated: ${result.unrated}.`) : null,
      h("div", {class: "row"},
        this.watching ? null : h("button", {type: "button", class: "first", id: "rematch", onclick: () => this.send({type: "rematch"})}, "Play again"),
        result.replay ? h("a", {class: "button", id: "to-replay", href: `#/replay/${result.replay}`}, "Watch the replay") : null,
        h("a", {class: "button", href: "#/"}, "To the lobby"))].filter(Boolean));
    this.end.hidden = false;
    this.end.focus({preventScroll: true});
    this.end.scrollIntoView({block: "nearest"});
    announce(`The game is over. ${title}.`);
    play(title === "You win" || title === "Your team wins" ? "won" : "lost");
  }

  happened({kind, tick, data}) {
    const {state} = this, who = data.name ?? state?.names[data.seat] ?? "Somebody";
    if (kind === "chat") this.add(`${who}: ${data.text}`, "words");
    else if (kind === "joined") this.add(`${who} sits down`);
    else if (kind === "left") this.add(`${who} leaves`);
    else if (kind === "votes") { this.votes = data; this.waitingKey = ""; if (state) this.showWaiting(); }
    else if (kind === "started") this.add("The game begins");
    else if (kind === "surrendered") this.add(`${who} surrenders`);
    else if (kind === "seat_lost") this.lost(data, who, tick);
    else if (kind === "closing") this.tell(`The server restarts; the game goes on in about ${Math.ceil(data.back_s)} seconds.`);
    else if (kind === "alarm") this.add(String(data.what ?? "The server has a problem with its records"));
    else if (kind === "rematch") this.invite(data);
  }

  lost({seat, killer}, who) {
    const by = killer === null || killer === undefined ? "" : this.state.names[killer];
    this.add(seat === this.state.seat ? `You have lost${by ? ` to ${by}` : ""}` : `${who} is out${by ? `, taken by ${by}` : ""}`);
    play(seat === this.state.seat ? "lost" : "capture");
  }

  invite({room, code}) {
    if (this.watching || room === this.room || this.moving) return;
    const line = h("li", {}, "Another game: ", h("button", {type: "button", onclick: () => this.send({type: "rematch"})}, "Join it"));
    this.said.append(line);
    this.said.scrollTop = this.said.scrollHeight;
    if (!this.welcome.code && code) this.add(`Its code is ${code}`);
  }

  moveTo({ticket}) {
    this.moving = true;
    keepTicket({...ticket, game: this.welcome.game, at: Date.now()});
    location.hash = `#/room/${ticket.room}`;
  }

  add(text, kind = "") {
    this.said.append(h("li", {class: kind}, text));
    while (this.said.children.length > MOST_LINES) this.said.firstChild.remove();
    this.said.scrollTop = this.said.scrollHeight;
    announce(text);
  }

  say(event) {
    event.preventDefault();
    const field = event.target.elements.text, text = field.value.trim();
    if (text && this.send({type: "chat", text})) field.value = "";
  }
}
