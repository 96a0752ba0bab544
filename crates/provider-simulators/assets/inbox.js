// Shows the newest messages and asks again every two seconds. Message texts are only ever set as text, never as markup.
"use strict";
const list = document.getElementById("messages");
const form = document.getElementById("filters");
const seen = new Set([...list.querySelectorAll("[data-id]")].map((node) => node.dataset.id));
let first = true;

const element = (name, className, text) => {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const text = (value, channel) => {
  const node = element("p", "text");
  node.dir = "auto";
  // Texts and calls carry one-time codes; in a letter any number would be marked.
  const code = channel !== "email" ? /[0-9۰-۹٠-٩]{4,10}/.exec(value) : null;
  if (!code) { node.textContent = value; return node; }
  const button = element("button", "code", code[0]);
  button.type = "button";
  button.title = "Copy";
  button.addEventListener("click", () => navigator.clipboard?.writeText(code[0]));
  node.append(value.slice(0, code.index), button, value.slice(code.index + code[0].length));
  return node;
};

const card = (message) => {
  const node = element("article", `message ${message.channel === "email" ? "email" : "sms"}`);
  node.dataset.id = message.id;
  if (!first && !seen.has(message.id)) node.classList.add("fresh");
  const meta = element("div", "meta");
  const time = element("time", "", new Date(message.created_at).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" }));
  time.dateTime = message.created_at;
  meta.append(element("span", "tag", message.channel), element("bdi", "to", message.to), time);
  node.append(meta);
  if (message.subject) {
    const subject = element("h2", "", message.subject);
    subject.dir = "auto";
    node.append(subject);
  }
  node.append(text(message.text, message.channel));
  if (message.html) {
    const link = element("a", "html", "HTML part");
    link.href = `/dev/inbox/messages/${message.id}/html`;
    link.target = "_blank";
    link.rel = "noopener";
    node.append(link);
  }
  return node;
};

let shown = "";
const refresh = async () => {
  if (document.hidden) return;
  const wanted = new URLSearchParams(new FormData(form));
  try {
    const answer = await fetch(`/dev/inbox/messages/?${wanted}`, { headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = await answer.json();
    const fingerprint = page.results.map((message) => message.id).join();
    if (fingerprint !== shown || first) {
      list.replaceChildren(...page.results.map(card));
      page.results.forEach((message) => seen.add(message.id));
      shown = fingerprint;
    }
    document.getElementById("count").textContent = `${page.count} message${page.count === 1 ? "" : "s"}`;
    document.getElementById("empty").hidden = page.count > 0;
    document.getElementById("live").classList.remove("offline");
    document.getElementById("live-text").textContent = "live";
    first = false;
  } catch {
    document.getElementById("live").classList.add("offline");
    document.getElementById("live-text").textContent = "not reachable, trying again";
  }
};

form.addEventListener("submit", (event) => { event.preventDefault(); refresh(); });
form.addEventListener("input", refresh);
document.addEventListener("visibilitychange", refresh);
setInterval(refresh, 2000);
refresh();
