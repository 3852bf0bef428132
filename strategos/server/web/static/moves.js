// The queue of one seat's moves. The server keeps it; this adds what is still under way to it, so that a click
// shows at once. A move is [cell, direction, half]; direction 4 builds a city, 5 passes.

export class Moves {
  // `send(message)`; `board()` gives the board; `pass` is the id of the move that does nothing.
  constructor(send, board, pass) {
    Object.assign(this, {send, board, pass, number: 0, under_way: [], served: []});
  }
  // How the queue will look once the server has heard everything.
  get list() {
    let list = [...this.served];
    for (const [, what, move] of this.under_way) {
      if (what === "move") list.push(move);
      else if (what === "undo") list.pop();
      else list = [];
    }
    return list;
  }
  add(move) {
    const action = move[1] === 5 ? this.pass : this.board().action(...move);
    this.note("move", move, this.send({type: "move", number: ++this.number, action}));
  }
  undo() { this.note("undo", null, this.send({type: "undo", number: ++this.number})); }
  clear() { this.note("clear", null, this.send({type: "clear", number: ++this.number})); }
  note(what, move, sent) { if (sent) this.under_way.push([this.number, what, move]); }
  // A new position; `heard` is the number of our last change that it knows of.
  update(state) {
    this.served = state.queue ?? [];
    this.settle(state.heard);
  }
  settle(heard) { this.under_way = this.under_way.filter(([number]) => number > heard); }
  // A new line has heard nothing; what was under way on the old one is lost or served already.
  restart() {
    this.number = 0;
    this.under_way = [];
  }
}
