// Read-outs, the time cursor through all charts, the trial selector and the theme switch. The page is complete
// without any of them.
"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const data = JSON.parse(one("#data").textContent);
  const trial = one("#trial");
  const cursorText = one("#cursor");
  root.classList.add("scripted");
  for (const id of ["toolbar", "theme", "percentiles"]) one("#" + id)?.removeAttribute("hidden");

  // Curves that change in steps come as runs: count, value, count, value.
  const unpacked = (values) => {
    if (!values || Array.isArray(values)) return values;
    const flat = [];
    for (let i = 0; i < values.runs.length; i += 2) for (let n = values.runs[i]; n > 0; n--) flat.push(values.runs[i + 1]);
    return flat;
  };
  for (const chart of Object.values(data.charts)) {
    for (const series of chart.series) {
      series.middle = unpacked(series.middle);
      series.trials = (series.trials ?? []).map(([number, values]) => [number, unpacked(values)]);
    }
  }

  // --- theme ---------------------------------------------------------------------------------------------------
  const theme = one("#theme");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const nameTheme = () => { theme.textContent = dark() ? "Light colours" : "Dark colours"; };
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; nameTheme(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  nameTheme();

  // --- which side is shown ---------------------------------------------------------------------------------------
  for (const button of all("[data-side]")) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      root.classList.toggle("hide-" + button.dataset.side, !shown);
      point(time);
    });
  }

  // --- charts --------------------------------------------------------------------------------------------------------
  const charts = all(".time").map((box) => {
    const hair = box.appendChild(document.createElement("div"));
    hair.className = "hair";
    const readout = box.appendChild(document.createElement("div"));
    readout.className = "readout";
    for (const part of [hair, readout]) { part.hidden = true; part.setAttribute("aria-hidden", "true"); }
    return { box, hair, readout, data: data.charts[box.dataset.chart] };
  });
  const left = 46, right = 14; // Margins::Axis
  const end = (chart) => (chart.data ? chart.data.grid.start + chart.data.grid.step * Math.max(1, chart.data.grid.points - 1) : Math.max(1, Math.floor(data.horizon)));
  const valuesOf = (series) => (trial.value && series.trials.find(([number]) => String(number) === trial.value)?.[1]) || series.middle;
  const short = (value) => (value === null || value === undefined ? "–" : value >= 1000 ? Math.round(value).toLocaleString("en") : String(value));
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

  // Small charts have room for the initials only; colour and order are those of the key.
  const initials = { viperscale: "V", hpa: "HPA", neutral: "opt" };

  let time = null;
  function point(at, spoken = false) {
    time = at;
    for (const { box, hair, readout, data: chart } of charts) {
      hair.hidden = readout.hidden = at === null;
      if (at === null || !box.clientWidth) continue;
      const last = end({ data: chart });
      hair.style.left = `${left + Math.min(1, at / last) * (box.clientWidth - left - right)}px`;
      readout.hidden = !chart;
      if (!chart) continue;
      const index = chart.steps ? Math.floor(at / chart.grid.step + 1e-6) : Math.round(at / chart.grid.step);
      readout.replaceChildren();
      for (const series of [...chart.series].reverse()) {
        if (root.classList.contains("hide-" + series.side)) continue;
        const value = readout.appendChild(document.createElement("b"));
        value.className = series.side;
        const name = box.closest(".multiples") ? initials[series.side] : series.name;
        value.textContent = `${name} ${short(valuesOf(series)[Math.min(index, chart.grid.points - 1)])} `;
      }
      if (chart.unit) readout.append(chart.unit);
    }
    if (at === null) return;
    const since = at - data.step;
    cursorText.setAttribute("aria-live", spoken ? "polite" : "off");
    cursorText.textContent = `${clock(at)} (${since < 0 ? "−" : "+"}${Math.abs(since).toFixed(Math.abs(since) < 10 ? 1 : 0)} s from the load step)`;
  }

  const timeAt = (box, x) => {
    const area = box.getBoundingClientRect();
    const chart = data.charts[box.dataset.chart];
    const share = (x - area.left - left) / (area.width - left - right);
    return Math.min(1, Math.max(0, share)) * end({ data: chart });
  };
  for (const { box } of charts) {
    box.addEventListener("pointermove", (event) => point(timeAt(box, event.clientX)));
    box.addEventListener("pointerdown", (event) => { if (!event.target.closest(".sign")) point(timeAt(box, event.clientX)); });
  }
  addEventListener("resize", () => point(time));

  // --- a single trial instead of the medians -------------------------------------------------------------------------
  const drawn = charts.filter((chart) => chart.data).map((chart) => {
    const curves = chart.box.querySelector(".curves");
    return { ...chart, curves, medians: [...curves.childNodes] };
  });
  function path(chart, values) {
    const span = Math.max(1, chart.grid.points - 1);
    let d = "", before = null;
    values.forEach((value, index) => {
      if (value === null) { before = null; return; }
      const x = (index / span * 1000).toFixed(1), y = (chart.height * (1 - Math.min(1, value / chart.max))).toFixed(1);
      if (before === null) d += `M${x} ${y}`;
      else d += chart.steps && before !== y ? `H${x}V${y}` : `L${x} ${y}`;
      before = y;
    });
    return d;
  }
  function showTrial() {
    for (const { curves, medians, data: chart } of drawn) {
      const series = chart.series.filter((one) => one.trials.length);
      if (!trial.value || !series.length) { curves.replaceChildren(...medians); continue; }
      curves.replaceChildren(...chart.series.map((one) => {
        const curve = document.createElementNS(curves.namespaceURI, "path");
        curve.setAttribute("class", `curve whole-trial ${one.side}`);
        curve.setAttribute("d", path(chart, valuesOf(one)));
        return curve;
      }));
    }
    const log = trial.value || String(data.first_trial);
    for (const details of all(".trial-log")) {
      details.hidden = details.dataset.trial !== log;
      details.open = !details.hidden;
    }
    point(time);
  }
  trial.addEventListener("change", showTrial);

  // --- decisions -------------------------------------------------------------------------------------------------------
  const entries = () => all(".trial-log:not([hidden]) .entry");
  let current = null;
  function mark(entry, focus) {
    current?.classList.remove("current");
    for (const old of all(".sign.current")) old.classList.remove("current");
    current = entry;
    if (!entry) return;
    entry.classList.add("current");
    one(`.sign[data-entry="${entry.id}"]`)?.classList.add("current");
    if (focus) entry.querySelector("button").focus({ preventScroll: false });
    point(Number(entry.dataset.at), true);
  }
  for (const entry of all(".entry")) {
    const button = entry.querySelector("button");
    button.addEventListener("focus", () => mark(entry, false));
    button.addEventListener("click", () => mark(entry, false));
    entry.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const list = entries();
      const next = list[list.indexOf(entry) + step];
      if (next) { event.preventDefault(); mark(next, true); }
    });
  }
  for (const sign of all(".strip .sign")) {
    sign.addEventListener("click", () => mark(document.getElementById(sign.dataset.entry), true));
  }

  // --- keys in the charts -------------------------------------------------------------------------------------------------
  for (const group of all("[data-cursor]")) {
    group.addEventListener("keydown", (event) => {
      if (event.target !== group) return;
      const now = time ?? data.step;
      const last = Math.floor(data.horizon);
      const stride = event.shiftKey ? 10 : 1;
      if (event.key === "ArrowRight") point(Math.min(last, Math.floor(now) + stride), true);
      else if (event.key === "ArrowLeft") point(Math.max(0, Math.ceil(now) - stride), true);
      else if (event.key === "Home") point(0, true);
      else if (event.key === "End") point(last, true);
      else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const down = event.key === "ArrowDown";
        const list = entries();
        const from = current && list.includes(current) ? list.indexOf(current) + (down ? 1 : -1)
          : down ? list.findIndex((entry) => Number(entry.dataset.at) > now) : list.findLastIndex((entry) => Number(entry.dataset.at) < now);
        if (!list[from]) return;
        mark(list[from], false);
        cursorText.textContent += `: ${list[from].querySelector(".side").textContent}, ${list[from].querySelector(".what").textContent}`;
      } else if (event.key === "Escape") point(null);
      else return;
      event.preventDefault();
    });
  }

  // --- percentiles ------------------------------------------------------------------------------------------------------------
  const showPercentile = () => {
    const chosen = one("[name=percentile]:checked")?.value;
    for (const block of all(".percentile")) block.hidden = block.dataset.percentile !== chosen;
    point(time);
  };
  for (const radio of all("[name=percentile]")) radio.addEventListener("change", showPercentile);

  // Print everything that is folded or not chosen.
  addEventListener("beforeprint", () => {
    for (const part of all(".percentile, .trial-log")) part.hidden = false;
    for (const folded of all("details")) folded.open = true;
    point(null);
  });
  addEventListener("afterprint", () => {
    for (const table of all("details.values")) table.open = false;
    showPercentile();
    showTrial();
  });

  showPercentile();
  showTrial();
})();
