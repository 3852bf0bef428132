// Asking the server over HTTP, and the tickets of this browser's seats.

import {keep, recall} from "./dom.js";

export class Refusal extends Error {
  constructor(code, message) { super(message); this.code = code; }
}

export async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
    });
  } catch { throw new Refusal("unavailable", "The server does not answer; try again in a moment."); }
  let told = null;
  try { told = await answer.json(); } catch { /* told below */ }
  if (!answer.ok) throw new Refusal(told?.code ?? "fault", told?.message ?? `The server answered ${answer.status}.`);
  return told;
}

// The tickets are kept so that a closed tab can go on; at most twenty, the newest first.
export function tickets() { return recall("tickets", []).filter((each) => each && each.room && each.token); }
export function ticketOf(room) { return tickets().find((each) => each.room === room); }
export function keepTicket(ticket) {
  keep("tickets", [ticket, ...tickets().filter((each) => each.room !== ticket.room)].slice(0, 20));
}
export function dropTicket(room) { keep("tickets", tickets().filter((each) => each.room !== room)); }
