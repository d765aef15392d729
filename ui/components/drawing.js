// A sheet to draw on. Strokes are kept as lists of points, so that one can be undone;
// the picture is told to the server when a stroke ends.

const sheets = new WeakMap();

const paint = (canvas, strokes) => {
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.lineCap = pen.lineJoin = "round";
  for (const { points, width, color } of strokes) {
    pen.strokeStyle = pen.fillStyle = color;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const point of points.slice(1)) pen.lineTo(...point);
    if (points.length === 1) pen.lineTo(points[0][0] + 0.01, points[0][1]);
    pen.stroke();
  }
};

export default function ({ data, parentElement, setStateValue }) {
  const box = parentElement.querySelector(".drawing");
  if (!box || !data) return;
  const canvas = box.querySelector("canvas");
  const find = (name) => box.querySelector(`.${name}`);
  const sheet = sheets.get(box) ?? { strokes: [], current: null, pointer: null };
  sheets.set(box, sheet);

  const refresh = () => {
    paint(canvas, sheet.current ? [...sheet.strokes, sheet.current] : sheet.strokes);
    const empty = sheet.strokes.length === 0;
    find("undo").disabled = find("clear").disabled = empty;
    canvas.setAttribute("aria-label", `${data.label} ${empty ? "It is empty." : `It has ${sheet.strokes.length} strokes.`}`);
  };
  const tell = () => {
    refresh();
    setStateValue("picture", sheet.strokes.length ? canvas.toDataURL("image/png") : "");
  };
  const place = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [
      ((event.clientX - frame.left) * canvas.width) / frame.width,
      ((event.clientY - frame.top) * canvas.height) / frame.height,
    ];
  };
  const end = (event) => {
    if (!sheet.current || event.pointerId !== sheet.pointer) return;
    sheet.strokes.push(sheet.current);
    sheet.current = sheet.pointer = null;
    tell();
  };

  find("ink").hidden = !data.colored;
  canvas.onpointerdown = (event) => {
    if (event.button !== 0 || sheet.current) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    sheet.pointer = event.pointerId;
    const color = data.colored ? find("color").value : "#000";
    sheet.current = { points: [place(event)], width: Number(find("brush").value), color };
    refresh();
  };
  canvas.onpointermove = (event) => {
    if (!sheet.current || event.pointerId !== sheet.pointer) return;
    const moved = event.getCoalescedEvents?.() ?? [];
    for (const each of moved.length ? moved : [event]) sheet.current.points.push(place(each));
    refresh();
  };
  canvas.onpointerup = canvas.onpointercancel = end;
  find("undo").onclick = () => { sheet.strokes.pop(); tell(); };
  find("clear").onclick = () => { sheet.strokes = []; tell(); };
  refresh();
}
