// Cards of Blob: their names, their faces, the order in a hand. A card is suit * 13 + rank, from the two of spades on.

import {h} from "./dom.js";

export const BID = 52;
export const TRUMPS = ["♠ spades", "♥ hearts", "♣ clubs", "♦ diamonds", "no trump"];
const SIGNS = "♠♥♣♦", WORDS = ["spades", "hearts", "clubs", "diamonds"];
const RANKS = ["2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "A"];
const LONG = {J: "jack", Q: "queen", K: "king", A: "ace"};

export const suit = (card) => Math.floor(card / 13);
export const short = (card) => SIGNS[suit(card)] + RANKS[card % 13];
export const spoken = (card) => `${LONG[RANKS[card % 13]] ?? RANKS[card % 13]} of ${WORDS[suit(card)]}`;

// Suits together, the highest card first.
export function sorted(hand) {
  return [...hand].sort((one, other) => suit(one) - suit(other) || other - one);
}

export function face(card, attributes = {}, name = "span") {
  const {class: more = "", ...rest} = attributes;
  return h(name, {class: `face suit${suit(card)} ${more}`, "data-card": card, ...rest},
    h("span", {class: "rank"}, RANKS[card % 13]), h("span", {class: "sign", "aria-hidden": "true"}, SIGNS[suit(card)]),
    h("span", {class: "unseen"}, ` of ${WORDS[suit(card)]}`));
}
