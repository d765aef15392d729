"use strict";
/* Draws every chart of the page in the colours of the theme, and again when it changes. */
(() => {
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const nodes = [...document.querySelectorAll("[data-chart]")];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  // Where a finger scrolls the page, a chart must not take the gesture for a zoom.
  const touch = window.matchMedia("(pointer: coarse)").matches;

  const role = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

  function color(text) {
    const [name, opacity] = text.slice(1).split("/");
    const hex = role(name);
    if (opacity === undefined) return hex;
    const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${parts.join(",")},${opacity})`;
  }

  /* Colours alone are looked up: a label may begin with "@" too. */
  function painted(value, key) {
    if (Array.isArray(value)) return value.map((item) => painted(item, ""));
    if (value && typeof value === "object") {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, painted(item, name)]),
      );
    }
    const isRole = typeof value === "string" && /color$/.test(key) && value[0] === "@";
    return isRole ? color(value) : value;
  }

  function axis(given, small) {
    // Thinner than a pixel of the printer, a line would be a hairline that hardly shows.
    const width = root.classList.contains("paper") ? 1.4 : 1;
    return {
      automargin: true,
      fixedrange: touch || root.classList.contains("paper"),
      gridcolor: role("line"),
      linecolor: role("muted"),
      tickcolor: role("line"),
      zeroline: false,
      showline: true,
      linewidth: width,
      gridwidth: width,
      nticks: small ? 3 : 0,
      ...given,
      title: { ...given.title, standoff: 8 },
    };
  }

  /* A page of paper is smaller than a screen. */
  function height(given) {
    return Math.round((root.classList.contains("paper") ? 0.62 : 1) * given.height);
  }

  function layout(given) {
    const small = given.height < 200;
    const paper = root.classList.contains("paper");
    const themed = {
      ...given,
      height: height(given),
      autosize: true,
      font: {
        family: getComputedStyle(document.body).fontFamily,
        size: small || paper ? 10 : 12,
        color: role("ink"),
      },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: small ? { l: 8, r: 8, t: 6, b: 8 } : { l: 12, r: 14, t: 8, b: 12 },
      dragmode: touch ? false : "zoom",
      hoverlabel: {
        bgcolor: role("page"), bordercolor: role("muted"), font: { color: role("ink") },
      },
    };
    for (const key of Object.keys(given)) {
      if (/^[xy]axis/.test(key)) themed[key] = axis(given[key], small);
    }
    return themed;
  }

  function draw() {
    const still = root.classList.contains("paper");
    const config = { displayModeBar: false, responsive: true, staticPlot: still };
    for (const node of nodes) {
      const chart = charts[Number(node.dataset.chart)];
      node.style.height = `${height(chart.layout)}px`;
      window.Plotly.react(node, painted(chart.data, ""), layout(chart.layout), config);
    }
  }

  /* Paper is light and as wide as A4; printing waits for this function. */
  function paper(on) {
    root.classList.toggle("paper", on);
    draw();
    for (const node of nodes) window.Plotly.Plots.resize(node);
  }

  draw();
  dark.addEventListener("change", draw);
  if (!root.classList.contains("paper")) {
    window.addEventListener("beforeprint", () => paper(true));
    window.addEventListener("afterprint", () => paper(false));
  }
})();
