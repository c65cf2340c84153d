import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'

/** A file that pages refer to; its URL names its content, and it may be kept for ever. */
export interface Asset {
  type: string
  body: Buffer
  /** The same, compressed. */
  gzip: Buffer
  url: string
}

const style = 'text/css; charset=utf-8'
const script = 'text/javascript; charset=utf-8'
/** Beside this file, and beside the bundle. */
const own = (name: string) => readFileSync(new URL(`./assets/${name}`, import.meta.url))
const htmx = () => readFileSync(createRequire(import.meta.url).resolve('htmx.org/dist/htmx.min.js'))
const sheets = ['base.css', 'frame.css', 'parts.css', 'requests.css', 'pages.css']

function asset(name: string, type: string, body: Buffer): Asset {
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 16)
  return { type, body, gzip: gzipSync(body, { level: 9 }), url: `/console/assets/${hash}/${name}` }
}

/** What every page loads, and by name what a few load. Read once, at the first request. */
export function readAssets() {
  return {
    style: asset('console.css', style, Buffer.concat(sheets.map(own))),
    htmx: asset('htmx.js', script, htmx()),
    script: asset('console.js', script, own('console.js')),
    keys: asset('keys.js', script, own('keys.js')),
    icon: asset('icon.svg', 'image/svg+xml', own('icon.svg')),
  }
}

export type Assets = ReturnType<typeof readAssets>
let read: Assets | undefined

export function assets(): Assets {
  read ??= readAssets()
  return read
}
