// One WebSocket of one seat: says hello with its token, comes back by itself when the line breaks.

const WAITS_MS = [300, 700, 1500, 3000, 5000];
const FINAL = new Set(["forbidden", "not_found", "over", "invalid"]);

export class Link {
  // `hear(message)` gets what the server says, `status(text)` what the line does ("" while all is well).
  constructor(token, hear, status) {
    this.token = token;
    this.hear = hear;
    this.status = status;
    this.tries = 0;
    this.open = false;
    this.closed = false;
    this.connect();
  }
  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = this.socket = new WebSocket(`${scheme}://${location.host}/ws`);
    socket.addEventListener("open", () => socket.send(JSON.stringify({type: "hello", token: this.token})));
    socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      if (message.type === "welcome") { this.open = true; this.tries = 0; this.status(""); }
      if (message.type === "error" && !this.open && FINAL.has(message.code)) this.closed = true;
      this.hear(message);
    });
    socket.addEventListener("close", (event) => {
      const was_open = this.open;
      this.open = false;
      if (this.closed) return;
      if (event.code === 1008 && was_open) return this.status("The server closed the line: too many messages. Reload the page to go on.");
      const wait_ms = WAITS_MS[Math.min(this.tries++, WAITS_MS.length - 1)];
      this.status("The line is down; coming back…");
      this.timer = setTimeout(() => this.connect(), wait_ms);
    });
  }
  send(message) {
    if (this.open) this.socket.send(JSON.stringify(message));
    return this.open;
  }
  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
