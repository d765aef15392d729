// Cards of a gallery: the server sends them as HTML whose foreign text it has escaped.

const shown = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".cards");
  if (!root || !data) return;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", data.label);
  if (shown.get(root) !== data.html) {
    const focused = root.querySelector(".card:focus")?.dataset.row;
    root.innerHTML = data.html;
    shown.set(root, data.html);
    if (focused) root.querySelector(`[data-row="${CSS.escape(focused)}"]`)?.focus();
  }
  root.onclick = (event) => {
    const card = event.target.closest("button[data-row]");
    if (card) setTriggerValue("chosen", Number(card.dataset.row));
  };
}
