"use strict";

const main = document.getElementById("operations");

function element(name, text, ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

/** The name of what a body holds, as a link to it. */
function held(content) {
  const schema = Object.values(content ?? {})[0]?.schema;
  const reference = (schema?.$ref ?? "").split("/").at(-1);
  if (!reference) return "";
  const link = element("a", reference);
  link.href = `#${reference}`;
  return link;
}

function operation(method, path, described) {
  const parts = [element("summary", "", element("code", `${method.toUpperCase()} ${path}`), ` ${described.summary ?? ""}`)];
  for (const parameter of described.parameters ?? []) {
    parts.push(element("div", "", element("code", parameter.name), ` (${parameter.in}) ${parameter.description ?? ""}`));
  }
  const body = held(described.requestBody?.content);
  if (body) parts.push(element("div", "", "body ", body));
  for (const [status, answer] of Object.entries(described.responses ?? {})) {
    parts.push(element("div", "", element("code", status), ` ${answer.description ?? ""} `, held(answer.content)));
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
    const object = element("details", "", element("summary", name), element("pre", JSON.stringify(schema, null, 2)));
    object.id = name;
    main.append(object);
  }
}

/** Opens what a link leads to. */
window.addEventListener("hashchange", () => {
  const object = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (object) object.open = true;
});

show();
