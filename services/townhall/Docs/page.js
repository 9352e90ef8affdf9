// Builds the page from /openapi/v1.json. Everything is set as text, never as markup, so a description can show but not do anything.
'use strict';

const methods = ['get', 'post', 'put', 'patch', 'delete'];

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const child of children) element.append(child);
  return element;
}

/** Text with `code` in backticks. */
function prose(text) {
  return make('p', '', ...text.split(/`([^`]+)`/).map((part, at) => at % 2 ? make('code', '', part) : part));
}

/** The same within a cell. */
function words(text) { return make('span', '', ...prose(text).childNodes); }

let api = {};

/** What a reference points to, or the thing itself. */
function resolved(one) {
  return one.$ref ? one.$ref.split('/').slice(1).reduce((at, part) => at[part], api) : one;
}

function nameOf(reference) { return reference.split('/').pop(); }

/** A schema in a few words, with links to named ones. */
function typeOf(schema) {
  const span = make('span');
  if (!schema) return span;
  if (schema.$ref) {
    const link = make('a', '', nameOf(schema.$ref));
    link.href = `#schema-${nameOf(schema.$ref)}`;
    span.append(link);
  } else if (schema.anyOf || schema.allOf) {
    (schema.anyOf || schema.allOf.slice(0, 1)).forEach((one, at) => span.append(at ? ' or ' : '', typeOf(one)));
  } else if (schema.items) {
    span.append('list of ', typeOf(schema.items));
  } else {
    span.append([].concat(schema.type ?? 'anything').join(' or '), schema.format ? ` (${schema.format})` : '');
  }
  return span;
}

function bounds(schema) {
  const of = schema.items && !schema.items.$ref ? { ...schema.items, ...schema } : schema;
  const said = [];
  if (of.enum) said.push(of.enum.map(String).join(', '));
  if (of.minimum !== undefined) said.push(`at least ${of.minimum}`);
  if (of.exclusiveMinimum !== undefined) said.push(`more than ${of.exclusiveMinimum}`);
  if (of.maximum !== undefined) said.push(`at most ${of.maximum}`);
  if (of.minItems !== undefined) said.push(`${of.minItems} items or more`);
  if (of.maxItems !== undefined) said.push(`at most ${of.maxItems} items`);
  if (of.maxLength !== undefined) said.push(`at most ${of.maxLength} characters`);
  if (of.default !== undefined) said.push(`default ${of.default}`);
  return said.join('; ');
}

function table(headings, rows) {
  const head = make('tr', '', ...headings.map(text => make('th', '', text)));
  const body = rows.map(cells => make('tr', '', ...cells.map(cell => make('td', '', cell))));
  return make('table', '', make('thead', '', head), make('tbody', '', ...body));
}

function sample(text, label) {
  const button = make('button', '', 'Copy');
  button.type = 'button';
  button.setAttribute('aria-label', `Copy ${label}`);
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
  return make('div', 'sample', make('pre', '', text), button);
}

function quoted(text) { return `'${text.replaceAll("'", "'\\''")}'`; }

function curl(method, path, operation) {
  const at = (operation.parameters ?? []).filter(one => one.in === 'path')
    .reduce((made, one) => made.replace(`{${one.name}}`, encodeURIComponent(one.example ?? 'value')), path);
  const parts = [`curl${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} ${quoted(location.origin + at)}`];
  if (operation['x-scope']) parts.push('-H "Authorization: Bearer $TOWN_API_KEY"');
  const body = operation.requestBody?.content['application/json']?.example;
  if (body !== undefined) parts.push(`-H 'Content-Type: application/json'`, `-d ${quoted(JSON.stringify(body))}`);
  return parts.join(' \\\n  ');
}

function members(schema) {
  const must = new Set(schema.required ?? []);
  return table(['Member', 'Type', 'Meaning'], Object.entries(schema.properties ?? {}).map(([name, of]) => [
    make('span', must.has(name) ? 'must' : '', name), typeOf(of),
    words([of.description, bounds(of)].filter(Boolean).join(' — '))]));
}

function operationOf(method, path, operation) {
  const body = make('div', 'body');
  body.append(make('span', 'scope', operation['x-scope'] ? `scope ${operation['x-scope']}` : 'no credentials needed'));
  if (operation.description) body.append(prose(operation.description));
  if (operation.parameters?.length) {
    body.append(make('h3', '', 'Parameters'), table(['Name', 'In', 'Type', 'Meaning'], operation.parameters.map(one => [
      make('span', one.required ? 'must' : '', one.name), one.in, typeOf(one.schema),
      words([one.description, bounds(one.schema)].filter(Boolean).join(' — '))])));
  }
  const sent = operation.requestBody?.content['application/json'];
  if (sent) body.append(make('h3', '', 'Body'), make('p', '', typeOf(sent.schema), operation.requestBody.required ? '' : ', may be left out'));
  body.append(make('h3', '', 'Call'), sample(curl(method, path, operation), 'the command'));
  const good = Object.entries(operation.responses).find(([status]) => status.startsWith('2'));
  const example = good?.[1].content?.['application/json']?.example;
  if (example !== undefined) body.append(make('h3', '', `Answer ${good[0]}`), sample(JSON.stringify(example, null, 2), 'the answer'));
  body.append(make('h3', '', 'Answers'), table(['Status', 'Document', 'Meaning'], Object.entries(operation.responses).map(([status, answer]) => {
    const one = resolved(answer);
    const [media, content] = Object.entries(one.content ?? {})[0] ?? ['', {}];
    return [status, make('span', '', typeOf(content.schema), media.includes('problem') || media.includes('/json') || !media ? '' : ` ${media}`),
      words(one.description)];
  })));
  const events = good?.[1].content?.['text/event-stream']?.['x-events'];
  if (events) body.append(make('h3', '', 'Events'), table(['Event', 'Data'], Object.entries(events).map(([name, schema]) => [name, typeOf(schema)])));
  const block = make('details', 'operation',
    make('summary', '', make('span', `method ${method}`, method.toUpperCase()), make('span', 'path', path), make('span', 'says', operation.summary)), body);
  block.id = operation.operationId;
  block.dataset.words = [method, path, operation.operationId, operation.summary, operation.description ?? '', operation['x-scope'] ?? '',
    JSON.stringify(Object.values(operation.responses).map(resolved)).match(/`[a-z_]+`/g)?.join(' ') ?? ''].join(' ').toLowerCase();
  return block;
}

function open(id) {
  const target = id && document.getElementById(id);
  if (target instanceof HTMLDetailsElement) { target.open = true; target.scrollIntoView(); }
}

function search(blocks, links) {
  const input = document.getElementById('search');
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const block of blocks) {
      const fits = words.every(word => block.dataset.words.includes(word));
      block.classList.toggle('gone', !fits);
      links.get(block.id)?.classList.toggle('gone', !fits);
      shown += fits && block.classList.contains('operation') ? 1 : 0;
    }
    for (const heading of document.querySelectorAll('[data-group]')) {
      heading.classList.toggle('gone', !heading.parentElement.querySelector('details:not(.gone), a:not(.gone)'));
    }
    document.getElementById('count').textContent = `${shown} operations`;
  };
  input.addEventListener('input', show);
  show();
}

async function build() {
  const main = document.getElementById('operations');
  const answer = await fetch('/openapi/v1.json');
  if (!answer.ok) {
    main.append(make('p', '', `The description cannot be read right now (${answer.status}).`));
    return;
  }
  api = await answer.json();
  document.getElementById('about').replaceWith(
    ...[api.info.summary, ...api.info.description.split('\n\n')].map(text => prose(text.replaceAll('\n', ' '))));
  const blocks = [], links = new Map(), index = document.getElementById('index');
  for (const tag of api.tags.map(one => one.name)) {
    const section = make('section'), list = make('div');
    const heading = make('h2', '', tag), title = make('h2', '', tag);
    heading.dataset.group = title.dataset.group = tag;
    section.append(heading);
    list.append(title);
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of methods.filter(one => item[one]?.tags.includes(tag))) {
        const block = operationOf(method, path, item[method]);
        const link = make('a', '', make('span', `method ${method}`, method.toUpperCase()), ` ${path}`);
        link.href = `#${block.id}`;
        link.addEventListener('click', () => open(block.id));
        links.set(block.id, link);
        blocks.push(block);
        section.append(block);
        list.append(link);
      }
    }
    main.append(section);
    index.append(list);
  }
  const schemas = make('section', '', make('h2', '', 'Schemas'));
  schemas.firstChild.dataset.group = 'Schemas';
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    const body = make('div', 'body');
    if (schema.description) body.append(prose(schema.description));
    body.append(members(schema));
    const block = make('details', 'schema', make('summary', '', make('span', 'path', name)), body);
    block.id = `schema-${name}`;
    block.dataset.words = `${name} ${Object.keys(schema.properties ?? {}).join(' ')}`.toLowerCase();
    blocks.push(block);
    schemas.append(block);
  }
  main.append(schemas);
  search(blocks, links);
  open(location.hash.slice(1));
  addEventListener('hashchange', () => open(location.hash.slice(1)));
}

build();
