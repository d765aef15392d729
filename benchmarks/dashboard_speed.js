// When the table of runs is drawn: runs in the page before any script of its own.
// window.watched.seconds is null until it is, then seconds since the navigation began,
// or since the click or key that followed arm().
(() => {
  const watched = { seconds: null, before: null, since: 0, armed: false };
  window.watched = watched;

  // What stands in the first rows of the first text column, as a number; null without
  // ink, which is a canvas that was made and not yet drawn on.
  const look = () => {
    const canvas = document.querySelector("[data-testid='stDataFrame'] canvas");
    const caption = document.querySelector(
      "[data-testid='stCaptionContainer']")?.textContent ?? "";
    if (!canvas || !canvas.width || !caption) return null;
    const scale = window.devicePixelRatio;
    const pixels = canvas.getContext("2d").getImageData(
      110 * scale, 42 * scale, 180 * scale, 140 * scale).data;
    let mark = 0;
    let ink = 0;
    for (let k = 0; k < pixels.length; k += 4) {
      mark = (mark * 31 + pixels[k]) | 0;
      if (Math.abs(pixels[k] - pixels[0]) > 60) ink += 1;
    }
    return ink > 100 || /^0 of/.test(caption) ? `${mark} ${counted(caption)}` : null;
  };
  const counted = (caption) => caption.split(",", 1)[0];

  watched.arm = () => {
    watched.before = look();
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
    if (watched.seconds === null && watched.since !== null) {
      const now = look();
      const changed = now !== null && now !== watched.before &&
        (!watched.armed || now.split(" ")[0] !== watched.before.split(" ")[0]);
      if (changed) watched.seconds = (performance.now() - watched.since) / 1000;
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
})();
