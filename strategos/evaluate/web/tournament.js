// The games of a tournament: a list to filter, and a game to open. Each game is deflated JSON in base64.

const list = JSON.parse(document.getElementById("list").textContent);
const opened = document.getElementById("opened"), rows = document.querySelector("#games tbody");
const filters = ["one", "other", "round"].map((name) => document.getElementById(`filter-${name}`));
const PAGE = 100;
let limit = PAGE;

for (const number of new Set(list.games.map(([round]) => round))) filters[2].append(element("option", {value: number}, number));

function resultOf([, , entrants, points]) {
  const names = entrants.map((entrant) => list.names[entrant]), best = Math.max(...points);
  if (points.every((each) => each === best)) return "a draw";
  const order = points.map((each, seat) => [each, seat]).sort((one, other) => other[0] - one[0]);
  const first = order.filter(([each]) => each === best).map(([, seat]) => names[seat]);
  const text = element("span", {}, element("b", {}, first.join(" and ")), first.length > 1 ? " share the first place" : " won");
  if (points.length > 2) text.append(element("span", {class: "dim"}, `, then ${order.slice(first.length).map(([, seat]) => names[seat]).join(", ")}`));
  return text;
}

function show() {
  const [one, other, round] = filters.map((filter) => (filter.value === "" ? null : Number(filter.value)));
  const found = list.games.map((game, place) => [game, place]).filter(([game]) =>
    (one === null || game[2].includes(one)) && (other === null || (game[2].includes(other) && other !== one)) &&
    (round === null || game[0] === round));
  rows.replaceChildren(...found.slice(0, limit).map(([game, place]) => rowOf(game, place)));
  document.getElementById("count").textContent = `${found.length.toLocaleString("en")} games`;
  document.getElementById("more").hidden = found.length <= limit;
}

function rowOf(game, place) {
  const there = document.getElementById(`game-${place}`);
  const row = element("tr", {tabindex: 0, "data-place": place, class: there ? "" : "absent"},
    element("td", {class: "number dim"}, place + 1), element("td", {class: "number"}, game[0]),
    element("td", {}, game[2].map((entrant) => list.names[entrant]).join(" · ")), element("td", {}, resultOf(game)),
    element("td", {class: "number"}, game[4]));
  if (!there) row.title = `not in this page: game ${game[6]} of games/${game[5]}`;
  row.onclick = () => openGame(place);
  row.onkeydown = (event) => { if (event.key === "Enter") openGame(place); };
  return row;
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

async function openGame(place) {
  const there = document.getElementById(`game-${place}`);
  if (!there) return;
  const data = await unpack(there.textContent), root = element("div");
  data.title = `Game ${place + 1}: ${data.title}`;
  opened.replaceChildren(root);
  MOUNTS[list.mount](root, data);
  for (const row of rows.children) row.classList.toggle("open", Number(row.dataset.place) === place);
  opened.dataset.place = place;
  opened.scrollIntoView({behavior: "smooth", block: "start"});
}

// A board of Generals to watch.
function mountBoard(root, data) {
  root.className = "replay";
  mountReplay(root, data);
}

// A round of Blob to read: hands, bids, tricks, what came out.
function mountRound(root, data) {
  const table = element("table", {class: "plain"}, element("thead", {}, element("tr", {}, element("th", {}, ""),
    ...data.players.map((name) => element("th", {}, name)))));
  const body = element("tbody");
  for (let trick = 0; data.actions.some(([number]) => number === trick); trick++) {
    const played = data.actions.filter(([number]) => number === trick);
    body.append(element("tr", {}, element("td", {class: "dim"}, trick ? `trick ${trick}` : "bids"),
      ...data.players.map((name) => {
        const place = played.findIndex(([, seat]) => seat === name);
        const cell = element("td", {}, place < 0 ? "" : played[place][2]);
        if (place === 0 && trick) cell.append(element("span", {class: "dim"}, " leads"));
        return cell;
      })));
  }
  table.append(body);
  root.className = "round";
  root.append(element("h3", {}, data.title), ...data.hands.map((hand) => element("p", {}, hand)), table,
    ...data.result.map((line) => element("p", {}, line)));
}

const MOUNTS = {mountBoard, mountRound};
for (const filter of filters) filter.onchange = () => { limit = PAGE; show(); };
document.getElementById("more").onclick = () => { limit += PAGE; show(); };
show();
const wanted = new URLSearchParams(location.hash.slice(1)).get("game");
if (wanted) openGame(Number(wanted) - 1);
