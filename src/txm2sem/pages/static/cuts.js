// Volumes: cuts along xy, xz and yz, moved by sliders or by pointing into them.
for (const viewer of document.querySelectorAll(".volume")) {
  const { shape, columns, stride, first, step } = JSON.parse(viewer.dataset.settings);
  const axes = ["z", "y", "x"];
  const index = { z: 0, y: 1, x: 2 };
  const sliders = Object.fromEntries(axes.map(axis => [axis, viewer.querySelector(`[data-axis="${axis}"]`)]));
  const sprites = [...viewer.querySelectorAll(".sprite")];
  const apart = viewer.querySelector("[data-apart]");
  const volumes = [];

  // The cuts through one layer, and below them those through each other one, where all are shown.
  const views = viewer.querySelector(".controls.views");
  const rows = sprites.map(() => views);
  for (let number = 1; number < rows.length; number++) {
    rows[number] = views.cloneNode(true);
    rows[number - 1].after(rows[number]);
  }

  // The voxels (z, y, x) of a layer, from the picture that has all its slices.
  const voxelsOf = number => {
    if (volumes[number]) return volumes[number];
    const [depth, height, width] = shape;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const voxels = new Uint8Array(depth * height * width);
    for (let z = 0; z < depth; z++) {
      const [left, top] = [(z % columns) * stride[1], Math.floor(z / columns) * stride[0]];
      context.drawImage(sprites[number], left, top, width, height, 0, 0, width, height);
      const { data } = context.getImageData(0, 0, width, height);
      for (let i = 0, to = z * height * width; i < height * width; i++) voxels[to + i] = data[4 * i];
    }
    return (volumes[number] = voxels);
  };

  // 256 colours: grey, or straight lines between the colours of a map.
  const paletteOf = number => {
    const stops = sprites[number].dataset.stops.split(" ").filter(Boolean)
      .map(stop => [1, 3, 5].map(at => parseInt(stop.slice(at, at + 2), 16)));
    if (!stops.length) return Array.from({ length: 256 }, (_, grey) => [grey, grey, grey]);
    return Array.from({ length: 256 }, (_, level) => {
      const at = level / 255 * (stops.length - 1);
      const from = Math.min(Math.floor(at), stops.length - 2);
      return stops[from].map((part, i) => part + (at - from) * (stops[from + 1][i] - part));
    });
  };

  const draw = () => {
    const chosen = Number(viewer.querySelector("[type=radio]:checked").value);
    const at = Object.fromEntries(axes.map(axis => [axis, Number(sliders[axis].value)]));
    const size = Object.fromEntries(axes.map(axis => [axis, shape[index[axis]]]));
    const jump = { z: shape[1] * shape[2], y: shape[2], x: 1 };
    const of = axis => first[index[axis]] + step * at[axis];
    for (const axis of axes) sliders[axis].parentElement.querySelector("output").value = of(axis);
    rows.forEach((row, place) => {
      row.hidden = place > 0 && !apart?.checked;
      if (!row.hidden) drawRow(row, apart?.checked ? place : chosen, { at, size, jump, place: of });
    });
  };

  const drawRow = (row, number, { at, size, jump, place }) => {
    const voxels = voxelsOf(number);
    const palette = paletteOf(number);
    for (const figure of row.querySelectorAll("[data-cut]")) {
      const [across, down, through] = figure.dataset.cut;
      figure.querySelector("b").textContent = sprites[number].dataset.title;
      const context = figure.querySelector("canvas").getContext("2d");
      const image = context.createImageData(size[across], size[down]);
      for (let row = 0, to = 0; row < size[down]; row++) {
        let from = at[through] * jump[through] + row * jump[down];
        for (let column = 0; column < size[across]; column++, from += jump[across], to += 4) {
          const colour = palette[voxels[from]];
          for (let part = 0; part < 3; part++) image.data[to + part] = colour[part];
          image.data[to + 3] = 255;
        }
      }
      context.putImageData(image, 0, 0);
      figure.querySelector(".across").style.top = `${100 * (at[down] + 0.5) / size[down]}%`;
      figure.querySelector(".down").style.left = `${100 * (at[across] + 0.5) / size[across]}%`;
      figure.querySelector("output").value = place(through);
    }
  };

  for (const figure of viewer.querySelectorAll("[data-cut]")) {
    const [across, down] = figure.dataset.cut;
    const box = figure.querySelector(".cut");
    const follow = event => {
      const { left, top, width, height } = box.getBoundingClientRect();
      sliders[across].value = Math.floor((event.clientX - left) / width * shape[index[across]]);
      sliders[down].value = Math.floor((event.clientY - top) / height * shape[index[down]]);
      draw();
    };
    box.addEventListener("pointerdown", event => { box.setPointerCapture(event.pointerId); follow(event); });
    box.addEventListener("pointermove", event => { if (event.buttons) follow(event); });
  }
  viewer.addEventListener("input", draw);
  // The pictures of the slices are there when the page is.
  addEventListener("load", draw);
}
