// The lobby: start a game against agents, find or invite people, join by code, go on where one left.

import {ask, dropTicket, keepTicket, tickets} from "./api.js";
import {announce, choice, h, keep, recall, teamsOf, toast} from "./dom.js";

const REFRESH_MS = 3000;
const GENERALS_SIZES = [["8", "8 × 8, quick"], ["12", "12 × 12"], ["16", "16 × 16"], ["20", "20 × 20"], ["24", "24 × 24"]];
const PACES = [["live", "live, 2 moves/s"], ["slow", "slow, 1 move/s"], ["fast", "fast, 4 moves/s"], ["steps", "step by step"]];
const PACE_OF = {live: ["real_time", 0.5], slow: ["real_time", 1], fast: ["real_time", 0.25], steps: ["lockstep", 0]};
const RULESETS = [["generalsio", "generals.io"], ["classic", "generals.io, classic"], ["duel", "duel"], ["competition", "competition"]];
const SLOW_OR_WEAK = /^(mcts-\d+|random)$/;
const ROUNDS = [["one", "one round"], ["all", "a whole game"]];
const sidesOf = (players) => span(2, Math.floor(players / 2)).filter(([size]) => players % size === 0).map(([size]) => [size, `${players / size} teams of ${size}`]);
const span = (low, high) => Array.from({length: high - low + 1}, (_, place) => [String(low + place), String(low + place)]);

export function showLobby(root, code) {
  const lobby = new Lobby(root, code);
  lobby.build();
  lobby.refresh();
  const timer = setInterval(() => { if (!document.hidden) lobby.refresh(); }, REFRESH_MS);
  return () => clearInterval(timer);
}

class Lobby {
  constructor(root, code) {
    this.root = root;
    this.code = code;
    this.chosen = {game: "generals", opponent: "", size: "12", pace: "live", players: "2", team: "1", ruleset: "generalsio", seats: "4", cards: "5", rounds: "one", with: "agents", private: false, ...recall("choices", {})};
    this.agents = {generals: [], blob: []};
    this.busy = false;
  }

  build() {
    this.name = h("input", {id: "name", maxLength: 32, autocomplete: "nickname", value: recall("name", ""), placeholder: "your name", onchange: () => keep("name", this.name.value.trim())});
    this.options = h("div", {class: "grid", id: "options"});
    this.rooms = h("ul", {class: "rooms", id: "rooms"});
    this.codeField = h("input", {id: "code", maxLength: 64, autocomplete: "off", spellcheck: false, value: this.code, placeholder: "code", "aria-label": "Code of a room", oninput: () => this.forgetTeam()});
    const tab = (game, label) => h("button", {type: "button", role: "radio", id: `game-${game}`, "data-game": game, onclick: () => this.choose("game", game)}, label);
    this.tabs = [tab("generals", "Generals"), tab("blob", "Blob")];
    this.start = h("button", {type: "submit", class: "first large", id: "start"}, "Play");
    this.root.replaceChildren(
      h("section", {class: "card"}, h("h1", {}, "Play"),
        h("form", {id: "new", onsubmit: (event) => { event.preventDefault(); this.create(); }},
          h("label", {class: "field", for: "name"}, h("span", {}, "You are"), this.name),
          h("div", {class: "tabs", role: "radiogroup", "aria-label": "Game"}, this.tabs),
          this.about = h("p", {class: "dim", id: "about"}), this.options, h("div", {class: "row"}, this.start,
            h("button", {type: "button", id: "quick", onclick: () => this.quick()}, "Quick match with people")))),
      h("div", {class: "column"},
        h("section", {class: "card"}, h("h2", {}, "Join by code"),
          h("form", {class: "row", id: "join", onsubmit: (event) => { event.preventDefault(); this.join(this.codeField.value); }}, this.codeField, this.teamPlace = h("div", {class: "team", hidden: true}),
            h("button", {type: "submit", id: "join-now", class: this.code ? "first" : ""}, "Join"), h("button", {type: "button", id: "watch", onclick: () => this.watch(this.codeField.value)}, "Watch"))),
        this.mine = h("section", {class: "card", id: "mine", hidden: true}),
        h("section", {class: "card"}, h("h2", {}, "Rooms"), this.rooms)));
    this.showOptions();
    this.showMine();
    for (const game of ["generals", "blob"]) ask(`/api/agents?game=${game}`).then(({agents}) => { this.agents[game] = agents; this.showOptions(); }, (refusal) => toast(refusal.message));
    if (this.code) this.name.value ? this.root.querySelector("#join button").focus() : this.name.focus();
  }

  choose(key, value) {
    this.chosen[key] = value;
    keep("choices", this.chosen);
    this.showOptions();
  }

  showOptions() {
    const {chosen} = this, set = (key) => (value) => this.choose(key, value);
    for (const tab of this.tabs) tab.setAttribute("aria-checked", String(tab.dataset.game === chosen.game));
    const focused = document.activeElement?.id;
    const agents = this.agents[chosen.game].map((name) => [name, name]);
    const wanted = chosen[`opponent_${chosen.game}`];
    const quick = agents.filter(([name]) => !SLOW_OR_WEAK.test(name));  // trained agents come last
    const opponent = agents.some(([name]) => name === wanted) ? wanted : (quick.at(-1) ?? agents.at(-1))?.[0] ?? "";
    const against = choice("against", "with", [["agents", "agents"], ["people", "people"]], chosen.with, set("with"));
    const agent = chosen.with === "agents" ? choice("opponent", "opponent", agents, opponent, set(`opponent_${chosen.game}`)) : null;
    this.opponent = opponent;
    if (chosen.game === "generals") {
      this.about.textContent = "Grow, explore the fog, find the other general and take it.";
      const duel = chosen.ruleset === "duel" || chosen.ruleset === "competition", sides = duel ? [] : sidesOf(Number(chosen.players));
      this.options.replaceChildren(against, ...[agent].filter(Boolean), choice("players", "players", duel ? [["2", "2"]] : span(2, 8), duel ? "2" : chosen.players, set("players")),
        ...(sides.length ? [choice("teams", "team", [["1", "everyone alone"], ...sides], this.teamSize(), set("team"))] : []),
        choice("board", "size", GENERALS_SIZES, chosen.size, set("size")), choice("pace", "pace", PACES, chosen.pace, set("pace")), choice("rules", "ruleset", RULESETS, chosen.ruleset, set("ruleset")), this.privacy());
    } else {
      this.about.textContent = "Bid how many tricks you will take, then take exactly so many.";
      const most = Math.min(10, Math.floor(52 / Number(chosen.seats)));
      this.options.replaceChildren(against, ...[agent].filter(Boolean), choice("players", "seats", span(3, 8), chosen.seats, set("seats")),
        choice("cards", "cards", span(1, most), Math.min(most, Number(chosen.cards)), set("cards")), choice("length", "rounds", ROUNDS, chosen.rounds, set("rounds")), this.privacy());
    }
    this.start.textContent = chosen.with === "agents" ? `Play against ${opponent || "an agent"}` : "Open a room";
    this.start.disabled = chosen.with === "agents" && !opponent;
    if (focused && focused !== document.activeElement?.id) document.getElementById(focused)?.focus();
  }

  // How many play together: what was chosen, where so many players can be divided so.
  teamSize() {
    const {players, team} = this.chosen;
    return sidesOf(Number(players)).some(([size]) => size === team) ? team : "1";
  }

  privacy() {
    return h("label", {class: "check", for: "private"}, h("input", {type: "checkbox", id: "private", checked: this.chosen.private, onchange: (event) => this.choose("private", event.target.checked)}), "private: by code only, not rated");
  }

  order() {
    const {chosen} = this, generals = chosen.game === "generals", small = chosen.ruleset === "duel" || chosen.ruleset === "competition";
    const players = generals ? (small ? 2 : Number(chosen.players)) : Number(chosen.seats);
    const options = generals ? {players, height: Number(chosen.size), width: Number(chosen.size), ruleset: chosen.ruleset, ...this.teams(small ? 1 : Number(this.teamSize()), players)}
      : {players, cards: Math.min(Number(chosen.cards), 10, Math.floor(52 / players)), rounds: chosen.rounds};
    const people = chosen.with !== "agents", [kind, every] = PACE_OF[generals ? chosen.pace : "steps"];
    const seconds = kind === "lockstep" && people ? 60 : every;  // agents do not keep anybody waiting
    const agents = people ? {} : Object.fromEntries(Array.from({length: players - 1}, (_, place) => [place + 1, this.opponent]));
    return {game: chosen.game, options, pace: {kind, seconds}, agents, private: chosen.private};
  }

  teams(size, players) {
    return size > 1 ? {teams: Array.from({length: players}, (_, seat) => Math.floor(seat / size))} : {};
  }

  async take(asking) {
    if (this.busy) return;
    const name = this.name.value.trim() || "Anonymous";
    keep("name", this.name.value.trim());
    this.busy = this.start.disabled = true;
    try {
      const ticket = await asking(name);
      keepTicket({...ticket, at: Date.now()});
      location.hash = `#/room/${ticket.room}`;
    } catch (refusal) { toast(refusal.message); }
    this.busy = this.start.disabled = false;
  }

  create() { return this.take((name) => ask("/api/rooms", {name, ...this.order()})); }
  quick() {
    const {game} = this.chosen, players = game === "generals" ? Number(this.chosen.players) : Number(this.chosen.seats);
    return this.take((name) => ask("/api/quick", {name, game, players}));
  }
  async join(where) {
    where = where.trim();
    if (!where) return this.codeField.focus();
    const path = `/api/rooms/${encodeURIComponent(where)}`;
    const team = this.teamPlace.dataset.room === where ? this.teamPlace.querySelector("select").value : "";
    if (!team) {
      let room;
      try { room = await ask(path); } catch (refusal) { return toast(refusal.message); }
      if (teamsOf(room.options.teams) && room.phase === "open") return this.askTeam(room);
    }
    this.forgetTeam();  // should it be full by now, the next try asks again
    return this.take((name) => ask(`${path}/join`, {name, ...(team ? {team: Number(team)} : {})}));
  }

  forgetTeam() {
    this.teamPlace.dataset.room = "";
    this.teamPlace.hidden = true;
  }

  // A room with teams: choose one, then join.
  askTeam({code, options: {teams}, names}) {
    const free = (team) => teams.filter((each, seat) => each === team && !names[seat]).length;
    const mates = (team) => teams.map((each, seat) => each === team && names[seat]).filter(Boolean).join(", ");
    const open = teamsOf(teams).filter(free).map((team) => [team, [`team ${team + 1}`, mates(team), `${free(team)} free`].filter(Boolean).join(" · ")]);
    if (!open.length) return toast("No seat is free.");
    this.codeField.value = this.teamPlace.dataset.room = code;
    this.teamPlace.replaceChildren(choice("your team", "team-to-join", open, open[0][0]));
    this.teamPlace.hidden = false;
    this.teamPlace.querySelector("select").focus();
    announce("Choose your team, then join.");
  }

  watch(where) { if (where.trim()) location.hash = `#/watch/${encodeURIComponent(where.trim())}`; }

  showMine() {
    const mine = tickets().slice(0, 5);
    this.mine.hidden = !mine.length;
    this.mine.replaceChildren(h("h2", {}, "Your games"), h("ul", {class: "rooms"}, mine.map((ticket) => h("li", {},
      h("span", {}, `${ticket.game ?? "game"} ${ticket.code || ticket.room.slice(0, 6)}`), h("a", {class: "button", href: `#/room/${ticket.room}`}, "Go on"),
      h("button", {type: "button", "aria-label": "Forget this game", onclick: () => { dropTicket(ticket.room); this.showMine(); (this.mine.querySelector("a") ?? this.name).focus(); }}, "✕")))));
  }

  async refresh() {
    let found;
    try { found = (await ask("/api/rooms?size=20")).rooms; } catch { return; }
    const key = JSON.stringify(found);
    if (key === this.found || !this.root.isConnected || this.rooms.contains(document.activeElement)) return;
    this.found = key;
    this.rooms.replaceChildren(...(found.length ? found.map((room) => this.line(room)) : [h("li", {class: "dim"}, "no open rooms; start one")]));
  }

  line(room) {
    const {options} = room, what = room.game === "generals" ? `${options.height}×${options.width}` : `${options.cards} cards`;
    return h("li", {}, h("span", {}, h("b", {}, room.game), ` ${what} · ${room.names.filter(Boolean).join(", ") || "empty"}${room.phase === "running" ? ` · tick ${room.tick}` : ""}`),
      room.phase === "open" && room.free ? h("button", {type: "button", onclick: () => this.join(room.room)}, "Join") : null,
      h("a", {class: "button", href: `#/watch/${room.room}`}, "Watch"));
  }
}
