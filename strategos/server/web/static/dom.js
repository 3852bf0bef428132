// Elements, announcements and what is kept in this browser. Text only ever becomes text: nothing here parses HTML.

export function h(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "colour") made.style.setProperty("--colour", value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// Said by screen readers; the last words win.
export function announce(text) {
  const live = document.getElementById("live");
  if (live.textContent !== text) live.textContent = text;
}

export function toast(text) {
  const made = h("div", {class: "toast"}, text);
  const place = document.getElementById("toasts");
  while (place.children.length >= 3) place.firstChild.remove();
  place.append(made);
  setTimeout(() => made.remove(), 5000);
}

// Storage may be forbidden: then nothing is remembered, and everything else works.
export function recall(key, otherwise) {
  try {
    const text = localStorage.getItem(`strategos.${key}`);
    return text === null ? otherwise : JSON.parse(text);
  } catch { return otherwise; }
}

export function keep(key, value) {
  try { localStorage.setItem(`strategos.${key}`, JSON.stringify(value)); } catch { /* forbidden or full */ }
}

export function choice(label, id, options, chosen, onchange) {
  const select = h("select", {id}, options.map(([value, text]) => h("option", {value: String(value)}, text)));
  select.value = String(chosen);
  if (onchange) select.addEventListener("change", () => onchange(select.value));
  return h("label", {class: "field", for: id}, h("span", {}, label), select);
}

// The teams of a game in which somebody is not alone, by number; null where everybody is.
export function teamsOf(teams) {
  const numbers = [...new Set(teams ?? [])].sort((one, other) => one - other);
  return numbers.length < (teams?.length ?? 0) ? numbers : null;
}

export const LETTERS = "ABCDEFGHIJKLMNOP";

// The mark of a seat: its colour, and a letter for those who cannot tell the colours apart.
export function chip(seat, colours) {
  return h("span", {class: "mark", colour: colours[seat % colours.length], "aria-hidden": "true"}, LETTERS[seat]);
}

const QUIET = new Set(["INPUT", "SELECT", "TEXTAREA"]);

// Whether a key belongs to the game, and not to a field that is being filled in or to the browser.
export function forGame(event) {
  return !event.ctrlKey && !event.metaKey && !event.altKey && !QUIET.has(event.target.tagName);
}
