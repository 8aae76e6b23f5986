// The receptionist in plain Node (18 or newer): node clients/brains/node/brain.js [--socket PATH] [--messages DIR]
"use strict";
const fs = require("node:fs"), net = require("node:net");
const option = (name) => { const at = process.argv.indexOf(name); return at < 0 ? undefined : process.argv[at + 1]; };
const runtime = process.getuid() ? process.env.XDG_RUNTIME_DIR : "/run";
const where = option("--socket") || process.env.DIALTONE_SOCKET || `${runtime}/dialtone/core.sock`;
const folder = option("--messages") || "messages";
const { language, phrases, texts } = JSON.parse(fs.readFileSync(`${__dirname}/../phrases.json`));
const intents = new Map(Object.entries(phrases).flatMap(([intent, list]) => list.map((phrase) => [phrase, intent])));
const calls = new Map(), callers = new Set(), waiting = new Map(); // by call_id; to call back; requests
const ours = "receptionist", holders = new Map(); // who steers a call, by call_id; null: nobody
let socket, nextId = 1, seq, rest = "", subscribed = false, delayMs = 200;
const ask = (method, params = {}) => new Promise((resolve, reject) => {
  if (!socket.writable) return void reject(new Error("not connected"));
  waiting.set(nextId, { resolve, reject, method });
  socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: nextId++, method, params })}\n`);
});
const say = (call, name, wait = "accepted") => {
  if (!["again", "offer", "keys", "goodbye"].includes(name)) call.last = name; // what "repeat that" means
  return ask("call.speak", { call_id: call.id, text: texts[name], language, replace: true, wait });
};
function tone() { // 350 ms of 880 Hz, 8 kHz mono 16 bit, as a WAV
  const pcm = Int16Array.from({ length: 2800 }, (_, at) => 8000 * Math.sin((2 * Math.PI * 880 * at) / 8000));
  const head = Buffer.from("RIFF    WAVEfmt                     data    ");
  const fields = [[4, 36 + 5600], [16, 16], [20, 0x10001], [24, 8000], [28, 16000], [32, 0x100002], [40, 5600]];
  for (const [at, value] of fields) head.writeUInt32LE(value, at);
  return Buffer.concat([head, Buffer.from(pcm.buffer)]).toString("base64");
}
async function save(call, turn) {
  const chunks = call.chunks.get(turn) || [];
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const chunk of chunks) {
    const { audio } = await ask("call.chunk_audio", { call_id: call.id, chunk, format: "ogg" });
    fs.writeFileSync(`${folder}/${call.id}-turn${turn}-${chunk}.ogg`, Buffer.from(audio, "base64"), { mode: 0o600 });
  }
  return chunks.length ? "saved" : "not_saved";
}
async function answer(call, on, turn, mood = call.mood) {
  if (mood === "leaving" || (mood === "taking" && on === "keys")) return undefined;
  call.mood = "talking";
  if (mood === "taking" && turn) return say(call, await save(call, turn).catch(() => "not_saved"));
  if (on !== "unknown" || mood !== "talking") call.misses = 0;
  if (on === "message" || (mood === "offered" && (on === "yes" || on === "unknown"))) {
    call.mood = "taking";
    return say(call, "leave_message").then(() => ask("call.play", { call_id: call.id, audio: tone() }));
  }
  if (on === "person" || on === "key_zero") {
    callers.add(call.number || `a withheld number (${call.id})`);
    const alarm = { alarm: "callback_wanted", text: `Please call back: ${[...callers].slice(-20).join(", ")}` };
    await ask("client.report_state", { state: "ready", alarms: [alarm] });
    return say(call, "callback");
  }
  if ((on === "unknown" && ++call.misses > 3) || (on === "repeat" && mood === "offered")) call.mood = "offered";
  if (call.mood === "offered") return say(call, "offer");
  if (on !== "goodbye") return say(call, { unknown: "again", repeat: call.last }[on] || on);
  call.mood = "leaving";
  await say(call, "goodbye", "spoken");
  setTimeout(() => calls.has(call.id) && ask("call.hangup", { call_id: call.id }).catch(() => {}), 2000); // people do
}
function happened(name, params) {
  if (!subscribed || params.seq <= seq) return; // the daemon says facts after `since` again
  seq = params.seq ?? seq;
  const id = params.call_id, fresh = { id, number: params.number, mood: "talking", misses: 0, chunks: new Map() };
  if (name === "call.connected") calls.set(id, fresh);
  const call = calls.get(id), before = holders.get(id), key = params.digit === "0" ? "key_zero" : "keys";
  if (name === "call.claimed") holders.set(id, params.holder); // another brain may step aside in mid-call
  if (name === "call.ended") [calls, holders].forEach((map) => map.delete(id));
  if (call && name === "call.speaking") call.greeted = true;
  if (name === "call.chunk") call?.chunks.set(params.turn, [...(call.chunks.get(params.turn) || []), params.chunk]);
  const heard = (params.understood && intents.get(params.text)) || "unknown";
  const taken = params.holder === ours && before !== ours && (call?.greeted ? "takeover" : "greeting");
  const on = { "call.connected": "greeting", "call.dtmf": key, "call.speech": heard, "call.claimed": taken }[name];
  if (!call || !on || (holders.get(id) ?? ours) !== ours) return; // another brain's
  answer(call, on, params.turn).catch((problem) => console.error(problem.message));
}
async function introduce() {
  await ask("client.hello", { name: ours });
  await ask("stt.phrases", { phrases: [...intents.keys()], language });
  await ask("brain.register", { priority: 0 });
  await ask("events.subscribe", { topics: ["call.*"], since: seq }).then(() => { delayMs = 200; });
}
function received({ id, method, params, result, error }) {
  if (method) return happened(method, params);
  const one = waiting.get(id);
  if (one?.method === "events.subscribe" && result) [subscribed, seq] = [true, seq ?? result.seq];
  waiting.delete(id);
  return error ? one?.reject(new Error(error.message)) : one?.resolve(result);
}
(function connect() {
  [rest, subscribed] = ["", false];
  socket = net.connect(where, () => introduce().catch((problem) => { console.error(problem.message); socket.destroy(); }));
  socket.setEncoding("utf8").on("error", (problem) => console.error(problem.message)).on("close", () => {
    for (const [id, { reject }] of waiting) waiting.delete(id) && reject(new Error("the connection was lost"));
    setTimeout(connect, delayMs = Math.min(delayMs * 2, 5000));
  }).on("data", (data) => {
    const lines = (rest + data).split("\n");
    for (rest = lines.pop(); lines.length;) received(JSON.parse(lines.shift()));
  });
})();
