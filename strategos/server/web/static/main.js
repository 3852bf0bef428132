// The page: which view the address asks for. Views are functions of (root, rest of the address) that give back how to leave.

import {showGames} from "./games.js";
import {showLobby} from "./lobby.js";
import {showRanks} from "./ranks.js";
import {showReplay} from "./replay.js";
import {showRoom} from "./room.js";
import {mountSwitch} from "./sounds.js";

const VIEWS = {"": showLobby, join: showLobby, room: showRoom, watch: showRoom, replay: showReplay, games: showGames, ranks: showRanks};
const PAGES = {"": "lobby", join: "lobby", room: "lobby", watch: "games", replay: "games", games: "games", ranks: "ranks"};
let leave = null;

function route() {
  const [name = "", rest = ""] = location.hash.replace(/^#\/?/, "").split("/");
  if (!Object.hasOwn(VIEWS, name)) return void (location.hash = "#/");
  leave?.();
  const root = document.createElement("div");
  root.className = `page page-${name || "lobby"}`;
  document.getElementById("view").replaceChildren(root);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === PAGES[name]) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  leave = VIEWS[name](root, rest.replace(/[^A-Za-z0-9_-]/g, ""), name) ?? null;
}

// As an address, the way past the top would be another page, and lead out of a game.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("view").focus();
});
window.addEventListener("hashchange", route);
mountSwitch(document.getElementById("sound"));
route();
