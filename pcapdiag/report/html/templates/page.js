"use strict";
// Reads the document and nothing else. Without it the page says the same, only not sorted or filtered.
(() => {
  const reveal = (element) => element.removeAttribute("hidden");
  document.querySelectorAll(".needs-script").forEach(reveal);

  for (const button of document.querySelectorAll("button.copy")) {
    const source = document.getElementById(button.dataset.copy);
    reveal(button);
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(source);
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((details) => { details.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((details) => { details.open = false; }));

  const table = document.getElementById("sessions-table");
  const panel = document.querySelector(".filter");
  if (!table || !panel) return;
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  reveal(panel);

  const text = document.getElementById("filter-text");
  const party = document.getElementById("filter-party");
  const stage = document.getElementById("filter-stage");
  const attention = document.getElementById("filter-attention");
  const count = document.getElementById("filter-count");

  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { row, text: said } of rows) {
      const passes = words.every((word) => said.includes(word))
        && (!party.value || row.dataset.party === party.value)
        && (!stage.value || row.dataset.stage === stage.value)
        && (!attention.checked || row.dataset.attention === "yes");
      row.hidden = !passes;
      shown += passes;
    }
    count.value = `${shown} of ${rows.length} shown`;
  };
  for (const input of [text, party, stage, attention]) input.addEventListener("input", filter);
  filter();

  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.key === undefined ? cell.textContent.trim() : cell.dataset.key;
  };
  const order = new Intl.Collator("en", { numeric: true });
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort((one, other) => (down ? -1 : 1) * order.compare(key(one.row, column), key(other.row, column)));
      body.append(...rows.map(({ row }) => row));
    });
  });
})();
