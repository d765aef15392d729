// The "Notify me" switch, and a notification of the browser for each end it is told of.
// The choice is kept in this browser (localStorage), beside the browser's permission.

const KEY = "vogn-notify";
const told = (window.vognTold ??= new Set()); // ends that this tab knows already

const remember = (on) => {
  try { localStorage.setItem(KEY, on ? "on" : "off"); } catch { window.vognNotify = on; }
};
const remembered = () => {
  try { return localStorage.getItem(KEY) === "on"; } catch { return window.vognNotify === true; }
};

// Why there can be no notification, "" if there can.
const obstacle = () => {
  if (!window.isSecureContext) {
    return "Browsers notify only for pages on localhost or over https.";
  }
  if (!("Notification" in window)) return "This browser has no notifications.";
  if (Notification.permission === "denied") {
    return "Notifications of this page are blocked: allow them in the browser's site settings.";
  }
  return "";
};
const isOn = () => remembered() && !obstacle() && Notification.permission === "granted";

const show = ({ id, title, body, address }) => {
  const shown = new Notification(title, { body, tag: id });
  shown.onclick = () => {
    window.focus();
    const target = new URL(address, document.baseURI).href;
    if (window.location.href !== target) window.location.assign(target);
  };
};

export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".notify");
  if (!box || !data) return;
  const button = box.querySelector("button");
  const hint = box.querySelector(".hint");

  const paint = (problem = "") => {
    button.setAttribute("aria-checked", String(isOn()));
    hint.textContent = problem;
  };
  const attempt = (action) => {
    try { action(); } catch (error) { paint(`This browser refuses notifications: ${error.message}`); }
  };

  box.hidden = !data.visible;
  button.title = data.explanation;
  paint(remembered() ? obstacle() : hint.textContent);
  button.onclick = async () => {
    if (isOn()) {
      remember(false);
      paint();
      return;
    }
    if (!obstacle() && Notification.permission !== "granted") await Notification.requestPermission();
    const granted = !obstacle() && Notification.permission === "granted";
    remember(granted);
    paint(granted ? "" : obstacle() || "Not allowed: the browser was not given permission.");
  };

  const ends = data.ends.filter(({ id }) => !told.has(id));
  ends.forEach(({ id }) => told.add(id));
  if (isOn()) ends.forEach((end) => attempt(() => show(end)));
}
