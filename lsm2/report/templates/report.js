"use strict";
/* The page's own script: draws a day, the daily summaries and the map with plotly.js from the numbers inside. */
(() => {
  const MINUTE = 60000, DAY = 1440, SHORTEST = 15; // ms, minutes, minutes shown at least
  const by = (id) => document.getElementById(id);
  const facts = JSON.parse(by("facts").textContent);
  const seen = new Set(); // charts drawn so far
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)");
  const loaded = new Map(); // date -> its minutes
  let date = null; // shown
  let range = [0, DAY]; // minutes shown
  let asked = 0; // a later question goes before an earlier answer

  if (!("DecompressionStream" in window)) {
    by("day-status").textContent = "This browser cannot unpack the days: it takes one of 2023 or later.";
  }

  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(
      ["paper", "ink", "muted", "line", "observed", "filled", "band", "missing"].map((name) => [
        name,
        style.getPropertyValue(`--${name}`).trim(),
      ]),
    );
  };
  const text = (value) => String(value).replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const short = (value) => {
    if (value === null) return "–";
    const size = Math.abs(value);
    return size >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(size >= 1 && size < 10 ? 4 : 3));
  };
  const share = (value) =>
    value > 0 && value < 0.005 ? "<1 %" : value < 1 && value >= 0.995 ? ">99 %" : `${Math.round(value * 100)} %`;
  const start = (day) => Date.parse(`${day}T00:00Z`);
  const long = (day) =>
    new Date(start(day)).toLocaleDateString("en-GB", {
      weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC",
    }).replace(",", "");
  const clock = (minute) =>
    `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(Math.floor(minute % 60)).padStart(2, "0")}`;
  const checked = () =>
    [...document.querySelectorAll("input[name=channel]:checked")].map((box) => facts.channels[box.value]);

  async function minutes(day) {
    if (!loaded.has(day)) {
      const bytes = Uint8Array.from(atob(by(`minutes-${day}`).textContent), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      const channels = JSON.parse(await new Response(stream).text());
      for (const channel of Object.values(channels)) unpack(channel);
      loaded.set(day, channels);
    }
    return loaded.get(day);
  }

  function unpack(channel) {
    channel.isFill = new Uint8Array(DAY);
    for (const [from, to] of channel.gaps) channel.isFill.fill(1, from, to);
    for (const end of ["lower", "upper"]) {
      if (!channel[end]) continue;
      const inside = channel[end];
      let next = 0;
      channel[end] = Array.from(channel.isFill, (fill) => (fill ? inside[next++] : null));
    }
  }

  const frame = (c) => ({
    paper_bgcolor: c.paper, plot_bgcolor: c.paper, font: { color: c.ink, family: "system-ui, sans-serif", size: 12 },
    showlegend: false, hoverlabel: { bgcolor: c.paper, bordercolor: c.muted, font: { color: c.ink } },
  });
  const axis = (c) => ({
    gridcolor: c.line, linecolor: c.muted, zeroline: false, tickcolor: c.muted, ticks: "outside", ticklen: 4,
  });
  const options = { displayModeBar: false, responsive: true, doubleClick: false, scrollZoom: false };
  const heading = (channel, c, place, label) => ({
    text: text(label), showarrow: false, xref: "paper", x: 0, xanchor: "left", yref: `${place} domain`, y: 1,
    yanchor: "bottom", font: { color: c.ink, size: 13 },
  });
  const domain = (number, count, gap) => {
    const height = (1 - gap * count) / count;
    const top = 1 - number * (height + gap) - gap;
    return [Math.max(0, top - height), top];
  };

  /* One channel of a day: grey gaps, band, recorded line, dots of minutes without neighbours, fill, and what
     the pointer reads. */
  function dayTraces(channel, own, times, place, c) {
    const values = own.values;
    const there = (m) => m >= 0 && m < DAY && values[m] !== null;
    const recorded = (m) => there(m) && !own.isFill[m];
    const bounded = own.lower && own.upper;
    let low = Infinity, high = -Infinity;
    for (let m = 0; m < DAY; m++) {
      for (const value of [values[m], bounded ? own.lower[m] : null, bounded ? own.upper[m] : null]) {
        if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
      }
    }
    if (channel.total || channel.binary) low = Math.min(low, 0);
    if (channel.binary) high = Math.max(high, 1);
    const room = (high - low || 1) * 0.06;
    const span = [low - room, high + room];
    const grey = { x: [], y: [] }, band = { x: [], y: [] };
    let from = null;
    for (let m = 0; m <= DAY; m++) {
      if (m < DAY && !recorded(m)) { if (from === null) from = m; continue; }
      if (from === null) continue;
      const left = times[Math.max(0, from - 1)], right = times[Math.min(DAY - 1, m)];
      grey.x.push(left, right, right, left, null);
      grey.y.push(span[0], span[0], span[1], span[1], null);
      from = null;
    }
    if (bounded) {
      for (const [begin, end] of own.gaps) {
        const inside = [];
        for (let m = Math.max(0, begin - 1); m <= Math.min(DAY - 1, end); m++) if (there(m)) inside.push(m);
        const edge = (m, bound) => (own.isFill[m] ? bound[m] : values[m]);
        band.x.push(...inside.map((m) => times[m]), ...inside.reverse().map((m) => times[m]), null);
        inside.reverse();
        band.y.push(...inside.map((m) => edge(m, own.upper)), ...inside.reverse().map((m) => edge(m, own.lower)), null);
      }
    }
    const line = values.map((value, m) => (recorded(m) ? value : null));
    const lone = values.map((value, m) => (recorded(m) && !recorded(m - 1) && !recorded(m + 1) ? value : null));
    const fill = values.map((value, m) =>
      there(m) && (own.isFill[m] || (m > 0 && own.isFill[m - 1]) || (m + 1 < DAY && own.isFill[m + 1])) ? value : null);
    const said = values.map((value, m) => {
      if (value === null) return "";
      const bounds = bounded && own.isFill[m] ? ` (${short(own.lower[m])} to ${short(own.upper[m])})` : "";
      return `${text(channel.title)}: ${short(value)}${bounds}, ${own.isFill[m] ? "filled" : "recorded"}`;
    });
    const shared = { type: "scatter", xaxis: "x", yaxis: place, hoverinfo: "skip", connectgaps: false };
    const traces = [
      { ...shared, ...grey, mode: "lines", fill: "toself", fillcolor: c.missing, line: { width: 0 } },
      { ...shared, ...band, mode: "lines", fill: "toself", fillcolor: c.band, line: { width: 1, color: c.filled } },
      { ...shared, x: times, y: line, mode: "lines", line: { width: 1.2, color: c.observed } },
      { ...shared, x: times, y: lone, mode: "markers", marker: { size: 3.5, color: c.observed } },
      { ...shared, x: times, y: fill, mode: "lines", line: { width: 2.2, color: c.filled } },
      {
        ...shared, x: times, y: values, mode: "lines", line: { width: 0, color: "rgba(0,0,0,0)" }, text: said,
        hoverinfo: "text", hovertemplate: "%{text}<extra></extra>",
      },
    ];
    return { traces: traces.filter((trace) => trace.x.length), span };
  }

  async function drawDay() {
    const mine = ++asked;
    const day = date;
    const channels = await minutes(day);
    if (mine !== asked) return;
    const c = colours();
    const shown = checked().filter((channel) => channels[channel.name]);
    const chart = by("day-chart");
    seen.add(chart);
    by("day-title").textContent = long(day);
    say(day, channels, shown);
    if (by("hours").open) drawHours(channels);
    chart.hidden = !shown.length;
    chart.style.minHeight = "";
    if (!shown.length) return;
    const times = Array.from({ length: DAY }, (_, m) => start(day) + m * MINUTE);
    const height = 60 + 125 * shown.length;
    const layout = {
      ...frame(c), height, margin: { l: 48, r: 12, t: 6, b: 40 }, dragmode: coarse.matches ? false : "zoom",
      hovermode: "x unified", hoversubplots: "axis", annotations: [],
      xaxis: {
        ...axis(c), type: "date", range: range.map((m) => start(day) + m * MINUTE), hoverformat: "%H:%M",
        tickformat: "%H:%M", nticks: chart.clientWidth < 500 ? 5 : 10, anchor: `y${shown.length > 1 ? shown.length : ""}`,
        title: { text: "time of day", standoff: 8 },
      },
    };
    const traces = [];
    shown.forEach((channel, number) => {
      const place = `y${number ? number + 1 : ""}`;
      const own = dayTraces(channel, channels[channel.name], times, place, c);
      traces.push(...own.traces);
      layout[`yaxis${number ? number + 1 : ""}`] = {
        ...axis(c), range: own.span, fixedrange: true, nticks: 6, domain: domain(number, shown.length, 24 / height),
      };
      layout.annotations.push(heading(channel, c, place, channel.title));
    });
    const drawn = await Plotly.react(chart, traces, layout, options);
    if (!chart.dataset.ready) {
      chart.dataset.ready = "yes";
      drawn.on("plotly_relayout", (change) => {
        const ends = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
        if (ends[0] === undefined) return;
        const ms = ends.map((end) => (typeof end === "number" ? end : Date.parse(`${String(end).replace(" ", "T")}Z`)));
        show(...ms.map((end) => (end - start(date)) / MINUTE), false);
      });
      drawn.on("plotly_doubleclick", () => show(0, DAY));
    }
    chart.dataset.date = day;
    chart.dataset.range = range.map(clock).join("-");
  }

  function say(day, channels, shown) {
    const status = by("day-status");
    if (!Object.keys(channels).length) {
      status.textContent = "Nothing was recorded on this day, so nothing was filled.";
    } else if (!shown.length) {
      status.textContent = "None of the chosen channels has values on this day.";
    } else {
      const parts = shown.map((channel) => {
        const fills = channels[channel.name].isFill.reduce((sum, fill) => sum + fill, 0);
        return `${channel.name.replace(/_/g, " ")} ${share(fills / DAY)}`;
      });
      status.textContent = `Shown: ${clock(range[0])} to ${clock(range[1])}. Filled: ${parts.join(", ")}.`;
    }
  }

  function drawHours(channels) {
    const table = by("hour-table");
    const shown = checked().filter((channel) => channels[channel.name]);
    const cell = (kind, content, scope) => {
      const made = document.createElement(kind);
      made.textContent = content;
      if (scope) made.scope = scope;
      if (kind === "td") made.className = "number";
      return made;
    };
    const caption = document.createElement("caption");
    caption.textContent = `${long(date)}: totals of counts and energies, means of others; filled minutes in brackets`;
    const head = document.createElement("tr");
    head.append(cell("th", "Hour", "col"), ...shown.map((channel) => cell("th", channel.title, "col")));
    const rows = Array.from({ length: 24 }, (_, hour) => {
      const row = document.createElement("tr");
      row.append(cell("th", clock(hour * 60), "row"));
      for (const channel of shown) {
        const own = channels[channel.name];
        let sum = 0, count = 0, fills = 0;
        for (let m = hour * 60; m < hour * 60 + 60; m++) {
          if (own.values[m] === null) continue;
          sum += own.values[m]; count += 1; fills += own.isFill[m];
        }
        const value = count ? short(channel.total ? sum : sum / count) : "–";
        row.append(cell("td", fills ? `${value} (${fills})` : value));
      }
      return row;
    });
    const body = document.createElement("tbody"), top = document.createElement("thead");
    top.append(head);
    body.append(...rows);
    table.replaceChildren(caption, top, body);
  }

  function show(from, to, draw = true) {
    const width = Math.min(DAY, Math.max(SHORTEST, to - from));
    const left = Math.min(DAY - width, Math.max(0, (from + to - width) / 2));
    range = [left, left + width];
    const chart = by("day-chart");
    chart.dataset.range = range.map(clock).join("-");
    minutes(date).then((channels) => say(date, channels, checked().filter((one) => channels[one.name])));
    const wanted = range.map((m) => start(date) + m * MINUTE);
    const moved = Math.abs(left - from) > 0.5 || Math.abs(left + width - to) > 0.5;
    if ((draw || moved) && chart.dataset.ready) Plotly.relayout(chart, { "xaxis.range": wanted });
  }

  function zoom(how) {
    const [from, to] = range, middle = (from + to) / 2, width = to - from;
    if (how === "in") show(middle - width / 4, middle + width / 4);
    else if (how === "out") show(middle - width, middle + width);
    else if (how === "earlier") show(Math.max(0, from - width / 2), Math.max(width, to - width / 2));
    else if (how === "later") show(Math.min(DAY - width, from + width / 2), Math.min(DAY, to + width / 2));
    else show(0, DAY);
  }

  function choose(day, focus) {
    date = day;
    range = [0, DAY];
    const place = facts.dates.indexOf(day);
    by("date").value = day;
    by("previous").disabled = place === 0;
    by("next").disabled = place === facts.dates.length - 1;
    for (const tile of document.querySelectorAll(".tile")) tile.setAttribute("aria-pressed", String(tile.dataset.date === day));
    const drawn = drawDay();
    if (focus) {
      by("day").scrollIntoView();
      by("day-title").focus({ preventScroll: true });
    }
    return drawn;
  }

  const step = (by) => {
    const next = facts.dates[facts.dates.indexOf(date) + by];
    if (next) choose(next);
  };

  function drawDaily() {
    const c = colours();
    const count = facts.channels.length;
    const chart = by("daily-chart");
    const height = 50 + 115 * count;
    const layout = {
      ...frame(c), height, margin: { l: 52, r: 12, t: 6, b: 36 }, dragmode: false, hovermode: "closest", annotations: [],
      xaxis: {
        ...axis(c), type: "date", anchor: `y${count > 1 ? count : ""}`, fixedrange: true,
        tickformat: "%-d %b<br>%Y", nticks: Math.min(facts.dates.length, chart.clientWidth < 500 ? 4 : 8),
        range: [start(facts.dates[0]) - 720 * MINUTE, start(facts.dates.at(-1)) + 720 * MINUTE],
      },
    };
    if (facts.dates.length < 8) Object.assign(layout.xaxis, { tickmode: "array", tickvals: facts.dates });
    const traces = facts.channels.map((channel, number) => {
      const place = `y${number ? number + 1 : ""}`;
      const days = facts.daily.map((day) => day[number]);
      layout[`yaxis${number ? number + 1 : ""}`] = {
        ...axis(c), fixedrange: true, nticks: 4, domain: domain(number, count, 24 / height),
        rangemode: channel.total ? "tozero" : "normal",
      };
      layout.annotations.push(heading(channel, c, place, channel.daily));
      return {
        type: "scatter", mode: "markers", xaxis: "x", yaxis: place, x: facts.dates, y: days.map((day) => day[0]),
        error_y: {
          type: "data", symmetric: false, color: c.filled, thickness: 2, width: 3,
          array: days.map((day) => (day[2] === null ? 0 : day[2] - day[0])),
          arrayminus: days.map((day) => (day[1] === null ? 0 : day[0] - day[1])),
        },
        marker: {
          size: 8, color: c.observed,
          symbol: facts.coverage.map((day) => (day[number] < 0.5 ? "circle-open" : "circle")),
        },
        text: days.map((day, at) => {
          const bounds = day[1] !== null && day[1] !== day[2] ? `<br>${short(day[1])} to ${short(day[2])}` : "";
          return `${long(facts.dates[at])}<br>${text(channel.daily)}: ${short(day[0])}${bounds}` +
            `<br>${share(facts.coverage[at][number])} recorded`;
        }),
        hovertemplate: "%{text}<extra></extra>",
      };
    });
    return plot(chart, traces, layout);
  }

  function drawMap() {
    const chart = by("map-chart");
    if (!chart) return null;
    const c = colours();
    const shade = by("map-shade").value;
    const mean = (list) => list.reduce((sum, one) => sum + one, 0) / (list.length || 1);
    const label = shade === "recorded" ? "recorded share" : facts.channels[shade].daily;
    const values = facts.dates.map((_, at) => (shade === "recorded" ? mean(facts.coverage[at]) : facts.daily[at][shade][0]));
    const weekend = (day) => [0, 6].includes(new Date(start(day)).getUTCDay());
    const layout = {
      ...frame(c), height: 420, margin: { l: 56, r: 12, t: 10, b: 48 }, dragmode: false, hovermode: "closest",
      xaxis: { ...axis(c), fixedrange: true, title: { text: text(facts.axes[0]), standoff: 8 } },
      yaxis: { ...axis(c), fixedrange: true, automargin: true, title: { text: text(facts.axes[1]), standoff: 10 } },
    };
    const trace = {
      type: "scatter", mode: "markers", x: facts.points.map((p) => p[0]), y: facts.points.map((p) => p[1]),
      customdata: facts.dates,
      marker: {
        size: 12, color: values, colorscale: "Cividis", showscale: true, line: { width: 1, color: c.ink },
        symbol: facts.dates.map((day) => (weekend(day) ? "square" : "circle")),
        colorbar: { thickness: 12, title: { text: text(label), side: "right" }, outlinewidth: 0 },
      },
      text: facts.dates.map((day, at) => `${long(day)}<br>${text(label)}: ${shade === "recorded" ? share(values[at]) : short(values[at])}`),
      hovertemplate: "%{text}<extra></extra>",
    };
    if (shade === "recorded") trace.marker.colorbar.tickformat = ".0%";
    return plot(chart, [trace], layout);
  }

  async function plot(chart, traces, layout) {
    const drawn = await Plotly.react(chart, traces, layout, options);
    if (chart.dataset.ready) return;
    chart.dataset.ready = "yes";
    drawn.on("plotly_click", (event) => {
      const point = event.points[0];
      choose(facts.dates[point.pointIndex], true);
    });
  }

  function shareTiles() {
    const channel = by("coverage-channel").value;
    for (const tile of document.querySelectorAll(".tile")) {
      const day = facts.coverage[facts.dates.indexOf(tile.dataset.date)];
      const value = channel === "" ? day.reduce((sum, one) => sum + one, 0) / (day.length || 1) : day[channel];
      tile.style.setProperty("--share", value);
      tile.querySelector("small").textContent = share(value);
      tile.setAttribute("aria-label", `${long(tile.dataset.date)}: ${share(value)} recorded`);
    }
  }

  by("coverage-channel").addEventListener("change", shareTiles);
  for (const tile of document.querySelectorAll(".tile")) tile.addEventListener("click", () => choose(tile.dataset.date, true));
  by("date").addEventListener("change", (event) => choose(event.target.value));
  by("previous").addEventListener("click", () => step(-1));
  by("next").addEventListener("click", () => step(1));
  for (const box of document.querySelectorAll("input[name=channel]")) box.addEventListener("change", drawDay);
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zoom(button.dataset.zoom));
  by("day-chart").addEventListener("keydown", (event) => {
    const how = { ArrowLeft: "earlier", ArrowRight: "later", "+": "in", "=": "in", "-": "out", 0: "all" }[event.key];
    if (!how || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    zoom(how);
  });
  by("hours").addEventListener("toggle", async () => { if (by("hours").open) drawHours(await minutes(date)); });
  by("map-shade")?.addEventListener("change", drawMap);

  /* A chart is drawn once it comes near the part of the page that is seen, so that the page opens at once. */
  const draws = new Map([[by("day-chart"), drawDay], [by("daily-chart"), drawDaily], [by("map-chart"), drawMap]]);
  draws.delete(null);
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) reveal(entry.target);
  }, { rootMargin: "300px" });
  function reveal(chart) {
    if (seen.has(chart)) return;
    seen.add(chart);
    near.unobserve(chart);
    draws.get(chart)();
  }
  const again = () => { for (const chart of seen) draws.get(chart)(); };
  for (const chart of draws.keys()) near.observe(chart);
  dark.addEventListener("change", again);
  addEventListener("beforeprint", () => { for (const chart of draws.keys()) reveal(chart); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; again(); } });

  /* At first the latest day of which much was recorded. */
  const shares = facts.coverage.map((day) => day.reduce((sum, one) => sum + one, 0));
  const first = shares.findLastIndex((one) => one >= Math.max(...shares) / 2);
  choose(facts.dates[first]).then(() => { document.documentElement.dataset.ready = "yes"; });
})();
