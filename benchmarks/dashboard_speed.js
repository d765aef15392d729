// When the table of runs is drawn: runs in the page before any script of its own.
// window.watched.seconds is null until it is, then seconds since the navigation began,
// or since the click or key that followed arm().
(() => {
  const watched = { seconds: null, before: null, since: 0, armed: false };
  window.watched = watched;

  const caption = () => document.querySelector(
    "[data-testid='stCaptionContainer']")?.textContent.split(",", 1)[0] ?? "";

  // What stands in the first rows, as a number; null without ink, which is a canvas that
  // was made and not yet drawn on. Reading pixels is slow: it waits for the caption.
  const look = () => {
    const canvas = document.querySelector("[data-testid='stDataFrame'] canvas");
    if (!canvas || !canvas.width) return null;
    const scale = window.devicePixelRatio;
    const pixels = canvas.getContext("2d").getImageData(
      110 * scale, 42 * scale, 180 * scale, 70 * scale).data;
    let mark = 0;
    let ink = 0;
    for (let k = 0; k < pixels.length; k += 4) {
      mark = (mark * 31 + pixels[k]) | 0;
      if (Math.abs(pixels[k] - pixels[0]) > 60) ink += 1;
    }
    return ink > 100 || caption().startsWith("0 of") ? mark : null;
  };

  watched.arm = () => {
    watched.before = { caption: caption(), mark: look() };
    watched.seconds = null;
    watched.since = null;
    watched.armed = true;
  };
  for (const kind of ["click", "keydown"])
    window.addEventListener(kind, (event) => {
      if (watched.armed && (kind === "click" || event.key === "Enter"))
        watched.since ??= event.timeStamp;
    }, true);

  const tick = () => {
    const { before } = watched;
    if (watched.seconds === null && watched.since !== null &&
        caption() !== (before?.caption ?? "")) {
      const now = look();
      if (now !== null && now !== before?.mark)
        watched.seconds = (performance.now() - watched.since) / 1000;
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})();
