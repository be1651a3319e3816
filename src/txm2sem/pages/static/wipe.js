// Galleries of pictures: which layers lie left, right and over both, how far they are wiped, and in which order.
for (const gallery of document.querySelectorAll(".gallery")) {
  const cards = [...gallery.querySelectorAll(".card")];
  const sides = { left: gallery.dataset.left, right: gallery.dataset.right, over: "" };
  const together = gallery.querySelector("[data-together]");

  const name = (card, layer) =>
    card.querySelector(`[data-layer="${layer}"] figcaption`)?.textContent ?? "";

  const layOut = () => {
    for (const card of cards) {
      for (const figure of card.querySelectorAll("[data-layer]")) {
        for (const [side, layer] of Object.entries(sides)) {
          figure.classList.toggle(side, figure.dataset.layer === layer);
        }
      }
      wipe(card, card.querySelector("[data-wipe]").value);
    }
  };

  const wipe = (card, share) => {
    const slider = card.querySelector("[data-wipe]");
    slider.value = share;
    card.style.setProperty("--wipe", `${share}%`);
    const [left, right] = [name(card, sides.left), name(card, sides.right)];
    slider.setAttribute("aria-valuetext", `${left} on the left ${share} %, then ${right}`);
  };

  const wiped = (card, share) => {
    for (const other of together.checked ? cards : [card]) wipe(other, share);
  };

  const sort = order => {
    const placed = cards.map(card => {
      const [group, place] = JSON.parse(card.dataset.places)[order] ?? ["", 0];
      return { card, group, place };
    });
    placed.sort((one, other) => one.place - other.place);
    for (const { card, group } of placed) {
      gallery.querySelector(`[data-group="${group}"] .cards`).append(card);
    }
  };

  for (const card of cards) {
    const slider = card.querySelector("[data-wipe]");
    slider.addEventListener("input", () => wiped(card, slider.value));
    const stack = card.querySelector(".stack");
    const follow = event => {
      const box = stack.getBoundingClientRect();
      wiped(card, Math.round(100 * Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1)));
    };
    stack.addEventListener("pointerdown", event => { stack.setPointerCapture(event.pointerId); follow(event); });
    stack.addEventListener("pointermove", event => { if (event.buttons) follow(event); });
  }
  for (const choice of gallery.querySelectorAll("[data-side]")) {
    choice.addEventListener("change", () => { sides[choice.dataset.side] = choice.value; layOut(); });
  }
  const apart = gallery.querySelector("[data-apart]");
  const part = () => gallery.classList.toggle("apart", apart.checked);
  apart.addEventListener("change", part);
  const strength = gallery.querySelector("[data-strength]");
  strength?.addEventListener("input", () => gallery.style.setProperty("--strength", strength.value / 100));
  const order = gallery.querySelector("[data-order]");
  order?.addEventListener("change", () => sort(order.value));
  // A browser that goes back to a page keeps what was chosen in it.
  for (const choice of gallery.querySelectorAll("[data-side]")) sides[choice.dataset.side] = choice.value;
  if (order) sort(order.value);
  part();
  layOut();
}
