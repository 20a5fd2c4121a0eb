// Returns what is wrong with the page for those who cannot see it, or not well; an empty list is right.
(() => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const where = (element) => `${element.tagName.toLowerCase()}${element.id ? "#" + element.id : ""}.${element.getAttribute("class") ?? ""}`;
  const text = (element) => element.textContent.trim();

  if (document.documentElement.lang !== "en") faults.push("no language");
  if (!document.title) faults.push("no title");
  for (const landmark of ["header", "nav", "main", "footer"]) {
    if (all(landmark).length !== 1) faults.push(`${all(landmark).length} ${landmark}`);
  }
  let level = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6").filter((h) => h.getClientRects().length)) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) faults.push(`h${level} is followed by h${next}: ${text(heading)}`);
    if (!text(heading)) faults.push(`an empty h${next}`);
    level = next;
  }
  if (all("h1").length !== 1) faults.push("not exactly one h1");
  const ids = all("[id]").map((element) => element.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) faults.push(`id ${id} is not unique`);
  for (const element of all("[aria-labelledby]")) {
    if (!document.getElementById(element.getAttribute("aria-labelledby"))) faults.push(`${where(element)} is labelled by nothing`);
  }
  for (const link of all("a[href^='#']")) if (!document.querySelector(link.getAttribute("href"))) faults.push(`${link.href} leads nowhere`);
  for (const picture of all("svg[role=img]")) if (!picture.getAttribute("aria-label")) faults.push(`${where(picture)} has no words`);
  for (const table of all("table")) {
    if (!table.caption) faults.push(`${where(table)} has no caption`);
    for (const cell of table.querySelectorAll("th")) if (!cell.scope) faults.push(`${text(cell)} has no scope`);
  }
  for (const control of all("button, select, input, [tabindex='0']")) {
    const named = control.getAttribute("aria-label") || control.labels?.length || text(control);
    if (!named) faults.push(`${where(control)} has no name`);
  }

  // Contrast of every text with what is behind it.
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(at).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!text(walker.currentNode) || seen.has(element) || !element.getClientRects().length || element.closest("script, style")) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const front = channels(element.closest("svg") ? style.fill : style.color).slice(0, 3);
    const [a, b] = [luminance(front), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${where(element)} ${text(element).slice(0, 30)}`);
  }
  // A control is large enough to be hit (WCAG 2.2, target size).
  for (const control of all("button, select, summary, .contents a").filter((c) => c.getClientRects().length)) {
    const { width, height } = control.getBoundingClientRect();
    if (width < 24 || height < 24) faults.push(`${where(control)} is only ${Math.round(width)} x ${Math.round(height)}`);
  }
  return faults.slice(0, 20);
})()
