// One chart: Plotly.react keeps the node, and with it the user's zoom, when data change.
// Figures name colours by their role ("@1", "@text", "@grid/0.5"); the roles are looked
// up in the theme here, so that a chart follows light and dark by itself.

const charts = new WeakMap();

const library = (url) => {
  window.vognPlotly ??= window.Plotly ? Promise.resolve(window.Plotly) : new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      window.vognPlotly = undefined;
      script.remove();
      reject(new Error("The chart library could not be loaded; reload the page."));
    };
    document.head.appendChild(script);
  });
  return window.vognPlotly;
};

const palette = (element) => {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  const probe = document.createElement("span");
  element.appendChild(probe);
  const rgb = (color) => {
    probe.style.color = color;
    return getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).join(",");
  };
  const roles = {
    text: rgb(read("--st-text-color")),
    panel: rgb(read("--st-background-color")),
    grid: rgb(read("--st-border-color")),
  };
  read("--st-chart-categorical-colors").split(",").forEach((color, i) => {
    roles[String(i + 1)] = rgb(color);
  });
  const sequential = read("--st-chart-sequential-colors").split(",").map(rgb);
  probe.remove();
  return { roles, sequential, font: read("--st-font") };
};

const painted = (value, theme) => {
  if (typeof value === "string" && value.startsWith("@")) {
    const [role, alpha] = value.slice(1).split("/");
    if (role === "sequential") {
      const last = theme.sequential.length - 1;
      return theme.sequential.map((color, i) => [i / last, `rgb(${color})`]);
    }
    return role in theme.roles ? `rgba(${theme.roles[role]},${alpha ?? 1})` : value;
  }
  if (Array.isArray(value)) {
    // Numbers need no paint, and there are thousands of them.
    const plain = typeof value[0] === "number" && typeof value.at(-1) === "number";
    return plain ? value : value.map((item) => painted(item, theme));
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, painted(item, theme)]),
    );
  }
  return value;
};

const draw = (Plotly, node, theme, { figure, revision }) => {
  const layout = painted(figure.layout, theme);
  layout.uirevision = revision;
  layout.font = { ...layout.font, family: theme.font };
  const config = { displaylogo: false, responsive: true, displayModeBar: "hover" };
  config.modeBarButtonsToRemove = ["select2d", "lasso2d", "autoScale2d"];
  return Plotly.react(node, painted(figure.data, theme), layout, config);
};

// What was clicked, told to the server under the name "clicked".
const listen = (node, tell) => {
  node.removeAllListeners?.("plotly_click");
  node.on("plotly_click", ({ points }) => {
    const { curveNumber, pointNumber, x, y, customdata } = points[0];
    const trace = points[0].data?.name ?? "";
    tell({ trace, curve: curveNumber, point: pointNumber, x, y, customdata: customdata ?? null });
  });
};

export default function ({ data, parentElement, setStateValue }) {
  const node = parentElement.querySelector(".vogn-plot");
  if (!node || !data) return;
  node.style.height = `${data.height}px`;
  node.setAttribute("aria-label", data.alt);
  const theme = palette(node.parentElement);
  library(data.url)
    .then((Plotly) => {
      if (!node.isConnected) return null;
      if (!charts.has(node)) {
        const observer = new ResizeObserver(() => {
          if (node.data && node.offsetWidth) Plotly.Plots.resize(node);
        });
        observer.observe(node.parentElement);
        charts.set(node, () => { observer.disconnect(); Plotly.purge(node); });
      }
      return draw(Plotly, node, theme, data).then(() => {
        if (data.clickable) listen(node, (click) => setStateValue("clicked", click));
      });
    })
    .catch((error) => { node.textContent = error.message; });
  return () => { charts.get(node)?.(); charts.delete(node); };
}
