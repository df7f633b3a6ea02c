"use strict";

const main = document.getElementById("operations");

function element(name, text, ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

function operation(method, path, described) {
  const parts = [element("summary", "", element("code", `${method.toUpperCase()} ${path}`), ` ${described.summary ?? ""}`)];
  for (const parameter of described.parameters ?? []) {
    parts.push(element("div", "", element("code", parameter.name), ` (${parameter.in}) ${parameter.description ?? ""}`));
  }
  for (const [status, answer] of Object.entries(described.responses ?? {})) {
    parts.push(element("div", "", element("code", status), ` ${answer.description ?? ""}`));
  }
  return element("details", "", ...parts);
}

async function show() {
  const response = await fetch("/api/v1/openapi.json");
  if (!response.ok) {
    main.textContent = response.status === 401 ? "Sign in first: open the dashboard." : `HTTP ${response.status}`;
    return;
  }
  const description = await response.json();
  main.textContent = "";
  for (const [path, operations] of Object.entries(description.paths)) {
    for (const [method, described] of Object.entries(operations)) main.append(operation(method, path, described));
  }
  main.append(element("h2", "Objects"));
  for (const [name, schema] of Object.entries(description.components?.schemas ?? {})) {
    main.append(element("details", "", element("summary", name), element("pre", JSON.stringify(schema, null, 2))));
  }
}

show();
