"use strict";
// The map of videos. `libraries` holds three.js (drawing) and d3-zoom (navigation); everything from data enters the page
// as textContent only.
(() => {
  const root = document.getElementById("map");
  if (!root) return;
  const find = (selector) => root.querySelector(selector);
  const [stage, canvas, names, tip, key] = [".stage", "canvas", ".names", ".tip", ".key"].map(find);
  const [input, output] = [find("input[type=search]"), find("output")];
  const { BufferAttribute, BufferGeometry, CustomBlending, DataTexture, GLSL3, OneFactor, OneMinusSrcAlphaFactor } = libraries;
  const { OrthographicCamera, Points, RawShaderMaterial, Scene, Vector2, WebGLRenderer, hsl, select, zoom, zoomIdentity } = libraries;
  const [STEPS, WIDE, NEAR, WHILE_MOVING, MOST_NAMES] = [65535, 256, 9, 200000, 70];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  const unpack = async (element) => {
    const text = element.textContent.trim();
    const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  };

  // Colours: the categories' as far apart as may be (the first ten are Observable's); a subcategory varies its category's.
  const HUES = "4269d0 efb118 ff725c 3ca951 a463f2 6cc5b0 ff8ab7 9c6b4e 97bbf5 9498a0 b5179e 7f9c1a c2410c 1f7a8c 5e548e".split(" ");
  const colourOf = (group) => hsl(HUES[group] ? `#${HUES[group]}` : `hsl(${(group * 137.508) % 360}, 62%, 52%)`);
  const tint = (group, place) => {
    const { h, s, l } = colourOf(group);
    return hsl((h || 0) + 24 * Math.sin(place * 2.4), s * (0.7 + 0.3 * ((place * 0.618) % 1)), l + 0.3 * ((place * 0.382) % 1) - 0.15);
  };
  const bytes = (colour) => { const { r, g, b } = colour.rgb().clamp(); return [r, g, b]; };

  const start = async () => {
    const { groups, subs, titles, notes, total } = JSON.parse(new TextDecoder().decode(await unpack(document.getElementById("map-names"))));
    const [single, many] = [groups.length === 1, root.dataset.many];  // an only category says nothing: subcategories take its place
    const [places, codes, shades] = [new Uint16Array(2 * total), new Uint16Array(total), new Uint8Array(total)];
    let [count, byCategory, chosen, words, view] = [0, !single, null, [], zoomIdentity];
    const [placeOf, seen] = [[], new Map()];  // a subcategory's place among those of its category
    for (const sub of subs) { placeOf.push(seen.get(sub.group) ?? 0); seen.set(sub.group, placeOf.at(-1) + 1); }

    // ── Drawing ──
    let renderer;
    try {
      renderer = new WebGLRenderer({ canvas, alpha: true, antialias: false, powerPreference: "high-performance" });
    } catch {
      root.dataset.state = "failed";
      find(".failure").hidden = false;
      return;
    }
    renderer.setClearColor(0, 0);
    renderer.sortObjects = false;
    const rows = Math.max(1, Math.ceil(subs.length / WIDE));
    const palette = new DataTexture(new Uint8Array(4 * WIDE * rows), WIDE, rows);
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(places, 2, true));
    geometry.setAttribute("code", new BufferAttribute(codes, 1));
    geometry.setAttribute("shade", new BufferAttribute(shades, 1, true));
    const material = new RawShaderMaterial({
      glslVersion: GLSL3, depthTest: false, depthWrite: false, transparent: true,
      blending: CustomBlending, blendSrc: OneFactor, blendDst: OneMinusSrcAlphaFactor,
      uniforms: { scale: { value: new Vector2() }, offset: { value: new Vector2() }, size: { value: 2 }, alpha: { value: 1 }, faint: { value: 0.1 }, palette: { value: palette } },
      vertexShader: `
        precision highp float; precision highp int;
        uniform vec2 scale, offset; uniform mediump float size; uniform float alpha, faint; uniform sampler2D palette;
        in vec2 position; in float code, shade; out vec4 colour;
        void main() {
          gl_Position = vec4(position * scale + offset, 0.0, 1.0);
          gl_PointSize = size;
          int at = int(code + 0.5);
          float opaque = shade > 0.5 ? alpha : faint;
          colour = vec4(texelFetch(palette, ivec2(at % ${WIDE}, at / ${WIDE}), 0).rgb * opaque, opaque);
        }`,
      fragmentShader: `
        precision mediump float;
        uniform float size;
        in vec4 colour; out vec4 shown;
        void main() {
          float far = length(gl_PointCoord - 0.5);
          if (far > 0.5) discard;
          shown = colour * clamp((0.5 - far) * size + 0.3, 0.0, 1.0);
        }`,
    });
    const points = new Points(geometry, material);
    points.frustumCulled = false;
    const scene = new Scene();
    scene.add(points);
    const camera = new OrthographicCamera();

    // The data's square is stretched to the stage, by half at most: the axes of the layout mean nothing.
    let [width, height, wide, tall, left, top] = [1, 1, 1, 1, 0, 0];
    const x = (place) => ((place / STEPS) * wide + left) * view.k + view.x;
    const y = (place) => ((1 - place / STEPS) * tall + top) * view.k + view.y;

    const draw = (most) => {
      const shown = Math.min(count, most);
      const { scale, offset, size, alpha, faint } = material.uniforms;
      scale.value.set((2 * wide * view.k) / width, (2 * tall * view.k) / height);
      offset.value.set((2 * (left * view.k + view.x)) / width - 1, 1 - (2 * ((top + tall) * view.k + view.y)) / height);
      // Points grow with the zoom and shrink with their number.
      const room = Math.sqrt((width * height) / Math.max(shown, 1));
      const ratio = renderer.getPixelRatio();
      size.value = ratio * Math.min(9, Math.max(2, 0.42 * room * Math.sqrt(view.k)));
      alpha.value = shown > 20000 ? 0.72 : 0.88;
      faint.value = dark.matches ? 0.1 : 0.07;
      geometry.setDrawRange(0, shown);
      renderer.render(scene, camera);
      canvas.dataset.drawn = shown;
    };

    const paint = () => {
      subs.forEach((sub, at) => palette.image.data.set([...bytes(byCategory ? colourOf(sub.group) : single ? colourOf(at) : tint(sub.group, placeOf[at])), 255], 4 * at));
      palette.needsUpdate = true;
      for (const swatch of key.querySelectorAll("i")) swatch.style.background = colourOf(Number(swatch.dataset.group)).formatRgb();
      refresh();
    };

    // ── Names, like those of a geographic map: the larger first, more the nearer one comes ──
    const pen = document.createElement("canvas").getContext("2d");
    const labels = [...groups.map((group, at) => ({ ...group, level: 0, group: at })).filter(() => !single), ...subs.map((sub) => ({ ...sub, level: 1 }))].filter(({ x }) => x >= 0);
    for (const label of labels) {
      label.text = label.name.length > 46 ? `${label.name.slice(0, 45)}…` : label.name;
      pen.font = label.level ? "12px system-ui" : "600 15px system-ui";
      label.reach = pen.measureText(label.text).width / 2 + 5;
    }
    const write = () => {
      const [taken, shown] = [[], []];
      const seenSubs = (single ? 30 : 10) * view.k * view.k * Math.min(1, (width * height) / 600000);
      let sub = 0;
      for (const label of labels) {
        if (label.level && sub++ > seenSubs) break;
        if (view.k > 7 && !label.level) continue;
        if (label.level && view.k < 1.35 && !single) break;
        const [place, down, tall] = [x(label.x), y(label.y), label.level ? 9 : 11];
        if (place < -20 || down < 0 || place > width + 20 || down > height) continue;
        const at = (label.at = Math.max(label.reach, Math.min(place, width - label.reach)));
        const box = [at - label.reach, down - tall, at + label.reach, down + tall];
        if (taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
        taken.push(box);
        if (shown.push(label) >= MOST_NAMES) break;
      }
      for (const label of labels) if (label.node && !shown.includes(label)) label.node.hidden = true;
      for (const label of shown) {
        if (!label.node) {
          label.node = document.createElement("bdi");
          label.node.className = label.level ? "minor" : "major";
          label.node.textContent = label.text;
          names.append(label.node);
        }
        label.node.hidden = false;
        label.node.style.transform = `translate(${Math.round(label.at)}px, ${Math.round(y(label.y))}px) translate(-50%, -50%)`;
      }
    };

    let [frame, idle] = [0, 0];
    const refresh = (moving = false) => {
      cancelAnimationFrame(frame);
      clearTimeout(idle);
      frame = requestAnimationFrame(() => { draw(moving ? WHILE_MOVING : Infinity); write(); });
      if (moving && count > WHILE_MOVING) idle = setTimeout(() => refresh(), 160);
    };

    const resize = () => {
      [width, height] = [Math.max(stage.clientWidth, 1), Math.max(stage.clientHeight, 1)];
      const least = Math.min(width, height);
      [wide, tall] = [0.94 * Math.min(width, 1.5 * least), 0.94 * Math.min(height, 1.5 * least)];
      [left, top] = [(width - wide) / 2, (height - tall) / 2];
      renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
      renderer.setSize(width, height, false);
      refresh();
    };

    // ── Which points stand out: those of a choice that have all words in title, note or names ──
    const folded = subs.map((sub) => fold(`${sub.name} ${groups[sub.group].name}`));
    let foldedTitles;
    const within = (at) => !chosen || (chosen.sub === undefined ? subs[codes[at]].group === chosen.group : codes[at] === chosen.sub);
    const matches = (at) => words.every((word) => folded[codes[at]].includes(word) || foldedTitles[at]?.includes(word));
    const shade = (from = 0) => {
      if (words.length) foldedTitles ??= titles.map((title, at) => fold(`${title} ${notes[at] ?? ""}`));
      for (let at = from; at < count; at += 1) shades[at] = within(at) && (!words.length || matches(at)) ? 255 : 0;
      geometry.attributes.shade.needsUpdate = true;
      let found = 0;
      for (let at = 0; at < count; at += 1) found += shades[at] ? 1 : 0;
      const name = chosen ? ` in ${chosen.sub === undefined ? groups[chosen.group].name : subs[chosen.sub].name}` : "";
      output.textContent = chosen || words.length ? `${found.toLocaleString("en")} of ${count.toLocaleString("en")} ${many}${name}` : `${count.toLocaleString("en")} ${many}`;
      find("[data-all]").disabled = !chosen && !words.length;
      for (const entry of key.querySelectorAll("button")) entry.setAttribute("aria-pressed", String(chosen !== null && chosen.group === Number(entry.dataset.group)));
      refresh();
    };
    const choose = (choice) => {
      chosen = choice;
      shade();
      const detail = chosen && { group: chosen.group, name: groups[chosen.group].name, number: chosen.sub === undefined ? null : subs[chosen.sub].number };
      root.dispatchEvent(new CustomEvent("vidatlas:choose", { detail, bubbles: true }));
    };

    // ── Pointer ──
    const under = (event) => {
      const box = canvas.getBoundingClientRect();
      const [px, py] = [event.clientX - box.left, event.clientY - box.top];
      const [across, up] = [(wide * view.k) / STEPS, (tall * view.k) / STEPS];
      const [cx, cy, reach] = [(px - x(0)) / across, (y(0) - py) / up, NEAR / across];
      let [best, nearest] = [-1, NEAR * NEAR];
      for (let at = 0; at < count; at += 1) {
        const dx = places[2 * at] - cx;
        if (dx > reach || dx < -reach || !shades[at]) continue;
        const dy = places[2 * at + 1] - cy;
        const far = (dx * across) ** 2 + (dy * up) ** 2;
        if (far < nearest) [best, nearest] = [at, far];
      }
      return [best, px, py];
    };
    const line = (kind, text) => {
      const node = document.createElement(kind);
      node.dir = "auto";
      node.textContent = text;
      return node;
    };
    const hover = (event) => {
      const [at, px, py] = event ? under(event) : [-1, 0, 0];
      tip.hidden = at < 0;
      canvas.style.cursor = at < 0 ? "grab" : "pointer";
      if (at < 0) return;
      const sub = subs[codes[at]];
      const title = at < titles.length ? titles[at] || "(untitled)" : "(title not on this page)";
      tip.replaceChildren(line("b", title), ...[notes[at], !single && groups[sub.group].name, sub.name].filter(Boolean).map((text) => line("span", text)));
      const [tipWidth, tipHeight] = [tip.offsetWidth, tip.offsetHeight];
      tip.style.transform = `translate(${Math.max(4, Math.min(px + 14, width - tipWidth - 4))}px, ${py + tipHeight + 20 > height ? py - tipHeight - 12 : py + 16}px)`;
    };
    let pending = 0;
    canvas.addEventListener("pointermove", (event) => { cancelAnimationFrame(pending); pending = requestAnimationFrame(() => hover(event)); });
    canvas.addEventListener("pointerleave", () => { cancelAnimationFrame(pending); hover(null); });
    canvas.addEventListener("click", (event) => {
      const [at] = under(event);
      if (at >= 0) choose({ group: subs[codes[at]].group, sub: codes[at] });
    });
    const navigation = zoom().scaleExtent([0.7, 400]).clickDistance(4).on("zoom", ({ transform }) => { view = transform; refresh(true); });
    const surface = select(canvas).call(navigation).on("dblclick.zoom", null);
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
      if (step) navigation.translateBy(surface, step[0] / view.k, step[1] / view.k);
      else if (event.key === "+" || event.key === "=") navigation.scaleBy(surface, 1.5);
      else if (event.key === "-") navigation.scaleBy(surface, 1 / 1.5);
      else if (event.key === "Escape") find("[data-all]").click();
      else return;
      event.preventDefault();
    });

    // ── Controls ──
    input.addEventListener("input", () => { words = fold(input.value).split(/\s+/).filter(Boolean); shade(); });
    find("[data-all]").addEventListener("click", () => { [words, input.value] = [[], ""]; choose(null); });
    find("[data-home]").addEventListener("click", () => surface.call(navigation.transform, zoomIdentity));
    for (const radio of root.querySelectorAll("input[type=radio]")) radio.addEventListener("change", () => { byCategory = find("input[value=category]").checked; paint(); });
    find("fieldset").hidden = key.hidden = single;
    groups.forEach((group, at) => {
      const [entry, button, swatch] = ["li", "button", "i"].map((kind) => document.createElement(kind));
      button.type = "button";
      button.dataset.group = swatch.dataset.group = at;
      button.append(swatch, line("bdi", group.name));
      button.addEventListener("click", () => choose(chosen && chosen.sub === undefined && chosen.group === at ? null : { group: at }));
      entry.append(button);
      key.append(entry);
    });
    dark.addEventListener("change", paint);
    new ResizeObserver(resize).observe(stage);
    canvas.addEventListener("webglcontextrestored", () => refresh());

    const take = async (element) => {
      const piece = new Uint16Array(await unpack(element));
      const more = piece.length / 3;
      for (let at = 0; at < more; at += 1) {
        places[2 * (count + at)] = piece[at];
        places[2 * (count + at) + 1] = piece[more + at];
      }
      codes.set(piece.subarray(2 * more), count);
      const before = count;
      count += more;
      for (const name of ["position", "code"]) geometry.attributes[name].needsUpdate = true;
      element.textContent = "";
      shade(before);
    };
    resize();
    paint();
    await take(document.querySelector(".map-points"));
    draw(Infinity);
    write();
    root.dataset.state = "ready";
    performance.mark("map-ready");
    // The rest comes behind the script, so that the first frame need not wait for it.
    if (document.readyState === "loading") await new Promise((go) => addEventListener("DOMContentLoaded", go, { once: true }));
    for (const element of [...document.querySelectorAll(".map-points")].slice(1)) {
      await take(element);
      await new Promise((go) => setTimeout(go));
    }
    root.dataset.state = "complete";
    performance.mark("map-complete");
  };
  start().catch((error) => {
    root.dataset.state = "failed";
    find(".failure").hidden = false;
    throw error;
  });
})();
