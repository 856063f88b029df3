// Draws the charts of a report from the JSON in #data and shows Porcupine's
// pictures when they are asked for. Plain functions, no state but the charts.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent);
  var charts = [];

  // Porcupine measures its texts while it draws, which fails while hidden:
  // its page is put in place when the details are opened.
  document.querySelectorAll("details.porcupine").forEach(function (details) {
    function show() {
      var frame = details.querySelector("iframe[data-picture]");
      if (details.open && frame) {
        frame.srcdoc = frame.dataset.picture;
        frame.removeAttribute("data-picture");
      }
    }
    details.addEventListener("toggle", show);
    show();
  });

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }

  // rows gives each fault a row so that faults that overlap are not drawn over each other.
  function rows(faults) {
    var ends = [];
    return faults.map(function (f) {
      var row = ends.findIndex(function (end) { return end <= f.start; });
      if (row < 0) { row = ends.length < 6 ? ends.push(0) - 1 : 5; }
      ends[row] = f.end;
      return row;
    });
  }
  var faultRows = rows(data.faults);
  var rowCount = faultRows.reduce(function (most, row) { return Math.max(most, row + 1); }, 0);
  var ROW = 17;

  // bands draws the faults behind a chart and, above it, their names.
  function bands(u) {
    var ctx = u.ctx, ratio = devicePixelRatio || 1, box = u.bbox;
    ctx.save();
    ctx.font = 11 * ratio + "px system-ui, sans-serif";
    ctx.textBaseline = "middle";
    data.faults.forEach(function (f, i) {
      var left = Math.max(u.valToPos(f.start, "x", true), box.left);
      var right = Math.min(u.valToPos(f.end, "x", true), box.left + box.width);
      if (right <= left) { return; }
      var top = box.top - (rowCount - faultRows[i]) * ROW * ratio, width = Math.max(right - left, ratio);
      ctx.fillStyle = color(f.kind);
      ctx.globalAlpha = 0.1;
      ctx.fillRect(left, top, width, box.top + box.height - top);
      ctx.globalAlpha = 0.3;
      ctx.fillRect(left, top, width, (ROW - 2) * ratio);
      ctx.globalAlpha = 1;
      ctx.fillStyle = color("text");
      var text = [f.label, f.short, f.id].find(function (t) { return ctx.measureText(t).width < width - 6 * ratio; });
      if (text) { ctx.fillText(text, left + 4 * ratio, top + (ROW - 2) / 2 * ratio); }
    });
    ctx.restore();
  }

  // marks draws, over the chart, the phases' borders, crashes and the witnesses.
  function marks(u) {
    var ctx = u.ctx, ratio = devicePixelRatio || 1, box = u.bbox, bottom = box.top + box.height;
    ctx.save();
    ctx.font = 10 * ratio + "px system-ui, sans-serif";
    function at(time) {
      var x = u.valToPos(time, "x", true);
      return x >= box.left && x <= box.left + box.width ? x : null;
    }
    function vertical(x, style, dash, label, y) {
      ctx.strokeStyle = ctx.fillStyle = style;
      ctx.lineWidth = ratio;
      ctx.setLineDash(dash.map(function (d) { return d * ratio; }));
      ctx.beginPath(); ctx.moveTo(x, box.top); ctx.lineTo(x, bottom); ctx.stroke();
      var before = x + ctx.measureText(label).width + 6 * ratio > box.left + box.width;
      ctx.textAlign = before ? "right" : "left";
      ctx.fillText(label, x + (before ? -3 : 3) * ratio, y);
    }
    var last = -1e9;
    data.phases.forEach(function (p) {
      var x = at(p.start);
      if (x === null || p.start === 0) { return; }
      vertical(x, color("muted"), [2, 3], x - last > 60 * ratio ? p.name : "", box.top + 10 * ratio);
      last = x;
    });
    data.crashes.forEach(function (c) {
      var x = at(c.time);
      if (x !== null) { vertical(x, color("refuted"), [5, 3], "crash " + c.node, box.top + 22 * ratio); }
    });
    last = -1e9;
    data.witnesses.forEach(function (w) {
      var x = at(w.time);
      if (x === null) { return; }
      ctx.fillStyle = color("refuted");
      ctx.setLineDash([]);
      ctx.beginPath();
      ctx.moveTo(x, bottom - 8 * ratio); ctx.lineTo(x - 4 * ratio, bottom); ctx.lineTo(x + 4 * ratio, bottom);
      ctx.fill();
      ctx.textAlign = "center";
      if (x - last > 14 * ratio) { ctx.fillText(w.number, x, bottom - 12 * ratio); last = x; }
    });
    ctx.restore();
  }

  var shapes = {
    ok: function (ctx, x, y, r) { ctx.moveTo(x + r, y); ctx.arc(x, y, r, 0, 2 * Math.PI); },
    info: function (ctx, x, y, r) { r *= 1.9; ctx.moveTo(x, y - r); ctx.lineTo(x + r, y + r * 0.8); ctx.lineTo(x - r, y + r * 0.8); ctx.closePath(); },
    fail: function (ctx, x, y, r) { r *= 1.6; ctx.moveTo(x - r, y - r); ctx.lineTo(x + r, y + r); ctx.moveTo(x + r, y - r); ctx.lineTo(x - r, y + r); }
  };

  // scatter draws the sampled operations under the quantiles.
  function scatter(u) {
    var ctx = u.ctx, ratio = devicePixelRatio || 1, box = u.bbox;
    ctx.save();
    ctx.beginPath(); ctx.rect(box.left, box.top, box.width, box.height); ctx.clip();
    ["ok", "fail", "info"].forEach(function (outcome) {
      var points = data.sample[outcome];
      ctx.beginPath();
      for (var i = 0; i < points.x.length; i++) {
        shapes[outcome](ctx, u.valToPos(points.x[i], "x", true), u.valToPos(points.y[i], "y", true), 1.7 * ratio);
      }
      ctx.globalAlpha = outcome === "ok" ? 0.45 : 0.9;
      ctx.fillStyle = ctx.strokeStyle = color(outcome === "ok" ? "ok" : outcome + "-line");
      ctx.lineWidth = 1.2 * ratio;
      if (outcome === "fail") { ctx.stroke(); } else { ctx.fill(); }
    });
    ctx.restore();
  }

  function latencyText(ms) {
    if (ms == null) { return "–"; }
    if (ms >= 1000) { return +(ms / 1000).toPrecision(3) + " s"; }
    return ms >= 1 ? +ms.toPrecision(3) + " ms" : +(ms * 1000).toPrecision(3) + " µs";
  }

  // decades leaves the powers of ten of a logarithmic axis.
  function decades(u, splits) {
    return splits.map(function (v) { return Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6 ? v : null; });
  }

  function chart(id, height, options) {
    var element = document.getElementById(id);
    if (!element) { return; }
    element.textContent = "";
    var axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line"), width: 1 }, font: "11px system-ui, sans-serif" };
    var above = rowCount * ROW;
    var u = new uPlot({
      width: element.clientWidth, height: height + above,
      padding: [above + 6, 12, 0, 0],
      cursor: { sync: { key: "time" }, drag: { x: true, y: false } },
      scales: { x: { time: false, range: function (u, low, high) { return low == null ? [0, 1] : [low, high]; } }, y: options.y },
      axes: [
        Object.assign({ size: 30, values: function (u, splits) { return splits.map(function (v) { return +v.toFixed(3) + " s"; }); } }, axis),
        Object.assign({ size: 62, values: options.values }, axis, options.scatter ? { grid: Object.assign({ filter: decades }, axis.grid), ticks: Object.assign({ filter: decades }, axis.ticks) } : {})
      ],
      series: [{ label: "at", value: function (u, v) { return v == null ? "–" : v.toFixed(1) + " s"; } }].concat(options.series),
      hooks: { drawClear: [bands], drawAxes: options.scatter ? [scatter] : [], draw: [marks] }
    }, options.data, element);
    charts.push({ element: element, u: u, height: height + above });
  }

  // intervals draws the measured shares of fresh reads as points with their intervals.
  function intervals(u) {
    var ctx = u.ctx, ratio = devicePixelRatio || 1, box = u.bbox, s = data.staleness;
    ctx.save();
    ctx.beginPath(); ctx.rect(box.left, box.top - 4 * ratio, box.width, box.height + 8 * ratio); ctx.clip();
    ctx.strokeStyle = ctx.fillStyle = color("ok-line");
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash([]); // the prediction's is still set
    s.x.forEach(function (time, i) {
      if (s.fresh[i] == null) { return; }
      var x = u.valToPos(time, "x", true), low = u.valToPos(s.low[i], "y", true), high = u.valToPos(s.high[i], "y", true);
      ctx.beginPath();
      ctx.moveTo(x, low); ctx.lineTo(x, high);
      [low, high].forEach(function (y) { ctx.moveTo(x - 3 * ratio, y); ctx.lineTo(x + 3 * ratio, y); });
      ctx.stroke();
      ctx.beginPath(); ctx.arc(x, u.valToPos(s.fresh[i], "y", true), 3 * ratio, 0, 2 * Math.PI); ctx.fill();
    });
    ctx.restore();
  }

  // visibility draws the share of fresh reads over the time since the last write, which is no time of the run.
  function visibility() {
    var element = document.getElementById("visibility"), s = data.staleness, height = 260;
    if (!element || !s) { return; }
    element.textContent = "";
    var axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1, filter: decades }, ticks: { stroke: color("line"), width: 1, filter: decades }, font: "11px system-ui, sans-serif" };
    var share = function (u, v) { return v == null ? "–" : +(100 * v).toPrecision(4) + " %"; };
    var series = [{ label: "after", value: function (u, v) { return latencyText(v); } }, Object.assign(line("measured", "ok-line", [], share), { spanGaps: true, width: 1 })];
    if (s.predicted.some(function (p) { return p != null; })) { series.push(Object.assign(line("predicted (PBS)", "text", [7, 4], share), { spanGaps: true })); }
    var u = new uPlot({
      width: element.clientWidth, height: height, padding: [10, 12, 0, 0],
      cursor: { drag: { x: true, y: false } },
      scales: {
        x: { time: false, distr: 3, range: function (u, low, high) { return low == null ? [1, 10] : [low * 0.8, high * 1.25]; } },
        y: { range: function () { return [s.least, 1]; } }
      },
      axes: [
        Object.assign({}, axis, { size: 30, values: function (u, splits) { return decades(u, splits).map(function (v) { return v == null ? "" : latencyText(v); }); } }),
        Object.assign({}, axis, { size: 62, grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line"), width: 1 }, values: function (u, splits) { return splits.map(function (v) { return +(100 * v).toFixed(2) + " %"; }); } })
      ],
      series: series,
      hooks: { draw: [intervals] }
    }, [s.x, s.fresh, s.predicted].slice(0, series.length), element);
    charts.push({ element: element, u: u, height: height });
  }

  function line(label, name, dash, value, stepped) {
    return { label: label, stroke: color(name), width: 1.6, dash: dash, value: value, points: { show: false }, spanGaps: false,
      paths: stepped ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear() };
  }

  function draw() {
    charts.forEach(function (c) { c.u.destroy(); });
    charts = [];
    var lat = function (u, v) { return latencyText(v); };
    chart("latency", 320, {
      scatter: true,
      y: { distr: 3, range: function () { return data.latencyRange; } },
      values: function (u, splits) { return decades(u, splits).map(function (v) { return v == null ? "" : latencyText(v); }); },
      data: [data.middles, data.p50, data.p95, data.p99],
      series: [line("p50", "text", [], lat), line("p95", "text", [7, 4], lat), line("p99", "text", [2, 3], lat)]
    });
    var number = function (u, v) { return v == null ? "–" : +v.toFixed(1) + " /s"; };
    var rate = { range: function (u, low, high) { return [0, Math.max(high || 0, 1) * 1.08]; } };
    chart("rate", 200, {
      y: rate, data: [data.edges, data.ok, data.info, data.fail],
      series: [line("ok", "ok-line", [], number, true), line("info", "info-line", [6, 3], number, true), line("fail", "fail-line", [2, 2], number, true)]
    });
    chart("trouble", 130, {
      y: rate, data: [data.edges, data.info, data.fail],
      series: [line("info", "info-line", [6, 3], number, true), line("fail", "fail-line", [2, 2], number, true)]
    });
    visibility();
  }

  draw();
  var waiting = 0;
  addEventListener("resize", function () {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(function () {
      charts.forEach(function (c) { c.u.setSize({ width: c.element.clientWidth, height: c.height }); });
    });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  matchMedia("print").addEventListener("change", draw);
})();
