import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import type { Operation } from './operation.ts'

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
code{font:14px/1.5 ui-monospace,monospace}table{border-collapse:collapse;width:100%;margin-bottom:2rem}
td{border-top:1px solid #d0d7de;padding:.35rem .5rem;vertical-align:top}td:first-child{width:4.5rem;font-weight:600}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}td{border-color:#30363d}a{color:#79c0ff}}`

/** A page with every operation in one line: no script, nothing loaded from anywhere. */
export function openApiPage(operations: readonly Operation[]): string {
  const tags = [...new Set(operations.map(({ tag }) => tag))].sort()
  return String(html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>countersign: REST API</title><style>${raw(STYLE)}</style></head><body>
<h1>REST API</h1>
<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1). Call with <code>Authorization: Bearer TOKEN</code>; a token is made by <code>countersign token create</code>.</p>
${tags.map((tag) => section(tag, operations))}
</body></html>`)
}

function section(tag: string, operations: readonly Operation[]): HtmlEscapedString | Promise<HtmlEscapedString> {
  const rows = operations.filter((operation) => operation.tag === tag)
  return html`<h2>${tag}</h2><table>${rows.map(
    ({ method, path, summary }) =>
      html`<tr><td>${method.toUpperCase()}</td><td><code>/api${path}</code></td><td>${summary}</td></tr>`,
  )}</table>`
}
