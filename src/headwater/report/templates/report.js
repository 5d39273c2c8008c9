"use strict";
(() => {
  const status = document.querySelector(".status");

  // Numbers by value, words by the reader's alphabet, missing values always last.
  const compare = (left, right, numeric) => {
    if (left === "" || right === "") return (left === "") - (right === "");
    return numeric ? Number(left) - Number(right) : left.localeCompare(right);
  };

  const sort = (heading) => {
    const table = heading.closest("table");
    const body = table.tBodies[0];
    const column = heading.cellIndex;
    const numeric = heading.classList.contains("number");
    const down = heading.getAttribute("aria-sort") === "ascending";
    const key = (row) => row.cells[column].dataset.key;
    const sign = (left, right) => (down && key(left) !== "" && key(right) !== "" ? -1 : 1);
    const rows = [...body.rows].sort(
      (left, right) => sign(left, right) * compare(key(left), key(right), numeric));
    body.append(...rows);
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    status.textContent = `Sorted by ${heading.innerText}, ${down ? "descending" : "ascending"}.`;
  };

  const download = (button) => {
    const text = JSON.parse(document.getElementById(button.dataset.csv).textContent);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
    link.download = button.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    status.textContent = `${button.dataset.file} downloaded.`;
  };

  document.addEventListener("click", (event) => {
    const heading = event.target.closest("th");
    if (heading && event.target.closest("button")) sort(heading);
    const csv = event.target.closest("button.csv");
    if (csv) download(csv);
  });

  // On a small screen the contents start closed, and close again once a chapter is chosen.
  const contents = document.querySelector(".contents details");
  const narrow = matchMedia("(max-width: 1023px)");
  const fold = () => { contents.open = !narrow.matches; };
  narrow.addEventListener("change", fold);
  fold();
  contents.addEventListener("click", (event) => {
    if (narrow.matches && event.target.closest("a")) contents.open = false;
  });

  const links = new Map([...contents.querySelectorAll("a")].map((a) => [a.hash.slice(1), a]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -80% 0px" });
  for (const id of links.keys()) watch.observe(document.getElementById(id));
})();
