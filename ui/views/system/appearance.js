// The theme, where Streamlit keeps it: by the address at which a tab was opened. It is
// written for every page, so that the choice holds wherever the next tab begins.

const VERSION = "v2"; // of Streamlit's entry
const CHOICES = ["System", "Light", "Dark"];

const addresses = (pages) => {
  const here = window.location.pathname;
  const root = here.slice(0, here.lastIndexOf("/") + 1);
  return pages.map((page) => `stActiveTheme-${root}${page}-${VERSION}`);
};

const chosen = (keys) => {
  for (const key of keys) {
    try {
      const value = JSON.parse(window.localStorage.getItem(key));
      if (CHOICES.includes(value)) return value;
    } catch { /* another program's entry */ }
  }
  return "System";
};

export default function ({ data, parentElement }) {
  const keys = addresses(data.pages);
  const now = chosen(keys);
  for (const input of parentElement.querySelectorAll("input[name=theme]")) {
    input.checked = input.value === now;
    input.onchange = () => {
      for (const key of keys) window.localStorage.setItem(key, JSON.stringify(input.value));
      window.location.reload();
    };
  }
}
