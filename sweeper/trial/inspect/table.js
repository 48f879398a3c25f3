"use strict";
// The table of examples: search, filter and sort, all within the page. Text goes in as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const columns = data.columns, place = new Map(columns.map((name, i) => [name, i]));
  const by = (id) => document.getElementById(id);
  const STEP = 100;
  let shown = STEP, sorted = null, descending = false;

  const words = (row, name) => String(row[place.get(name)] ?? "");
  for (const id of ["issue", "split", "label"]) {
    const counts = new Map();
    for (const row of data.rows)
      for (const word of id === "issue" ? words(row, id).split(" ") : [words(row, id)])
        if (word) counts.set(word, (counts.get(word) || 0) + 1);
    if (counts.size > 200) { by(id).parentElement.hidden = true; continue; }  // values, not names
    for (const [word, count] of [...counts].sort((a, b) => a[0].localeCompare(b[0], undefined, {numeric: true}))) {
      const option = document.createElement("option");
      option.value = word; option.textContent = `${word} (${count})`;
      by(id).append(option);
    }
  }

  // one condition a word: column:text, column>number, column<number, else text anywhere
  const condition = (word) => {
    const match = /^([^:<>]+)(:|>=|<=|>|<)(.*)$/.exec(word);
    const at = match && place.get(match[1]);
    if (match && at !== undefined) {
      const [, , sign, value] = match, number = Number(value);
      if (sign === ":") return (row) => ` ${row[at] ?? ""} `.toLowerCase().includes(
        columns[at] === "label" || columns[at] === "split" ? ` ${value.toLowerCase()} ` : value.toLowerCase());
      return (row) => row[at] !== null && row[at] !== "" && (sign === ">" ? row[at] > number : sign === "<" ? row[at] < number
        : sign === ">=" ? row[at] >= number : row[at] <= number);
    }
    return (row) => row.some((cell) => String(cell ?? "").toLowerCase().includes(word.toLowerCase()));
  };

  const chosen = () => {
    const conditions = by("search").value.split(/\s+/).filter(Boolean).map(condition);
    for (const id of ["issue", "split", "label"]) {
      const value = by(id).value;
      if (value) conditions.push((row) => id === "issue" ? words(row, id).split(" ").includes(value) : words(row, id) === value);
    }
    const kept = data.rows.map((_, i) => i).filter((i) => conditions.every((holds) => holds(data.rows[i])));
    if (sorted !== null) kept.sort((i, j) => {
      const a = data.rows[i][sorted], b = data.rows[j][sorted];
      if (a === null || a === "" || b === null || b === "") return (a === null || a === "") - (b === null || b === "");
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, {numeric: true});
      return descending ? -order : order;
    });
    return kept;
  };

  const cell = (value) => {
    const td = document.createElement("td");
    td.textContent = value === null ? "" : typeof value === "number" ? String(+value.toPrecision(4)) : value.replaceAll("_", "_\u200b");
    if (typeof value === "number") td.className = "number";
    return td;
  };

  const draw = () => {
    const kept = chosen(), body = document.querySelector("#rows tbody");
    body.replaceChildren(...kept.slice(0, shown).map((i) => {
      const tr = document.createElement("tr");
      if (data.thumbs) {
        const td = document.createElement("td");
        if (data.thumbs[i]) {
          const img = document.createElement("img");
          img.className = "thumb"; img.src = data.thumbs[i]; img.alt = `example ${words(data.rows[i], "name")}`;
          td.append(img);
        }
        tr.append(td);
      }
      tr.append(...data.rows[i].map(cell));
      return tr;
    }));
    by("count").textContent = `${Math.min(shown, kept.length)} of ${kept.length} shown`;
    by("more").hidden = kept.length <= shown;
  };

  const head = document.createElement("tr");
  if (data.thumbs) head.append(document.createElement("td"));
  columns.forEach((name, i) => {
    const th = document.createElement("th"), button = document.createElement("button");
    th.scope = "col"; button.type = "button"; button.textContent = name.replaceAll("_", " ");
    button.title = `sort by ${name}`;
    button.addEventListener("click", () => {
      descending = sorted === i ? !descending : typeof data.rows[0]?.[i] === "number";
      sorted = i;
      for (const other of head.querySelectorAll("th")) other.removeAttribute("aria-sort");
      th.setAttribute("aria-sort", descending ? "descending" : "ascending");
      for (const other of head.querySelectorAll("th button")) other.textContent = other.textContent.replace(/ [▲▼]$/, "");
      button.textContent += descending ? " ▼" : " ▲";
      draw();
    });
    th.append(button); head.append(th);
  });
  document.querySelector("#rows thead").append(head);
  for (const id of ["search", "issue", "split", "label"])
    by(id).addEventListener("input", () => { shown = STEP; draw(); });
  by("more").addEventListener("click", () => { shown += STEP; draw(); });
  draw();
})();
