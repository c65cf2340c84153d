import { parseNameText } from '../pki/nameText.ts'
import { shown } from './parts/text.tsx'

/** The common name in RFC 4514 text, the last one of several; undefined where there is none, or what cannot be read. */
export function commonNameOf(subject: string): string | undefined {
  try {
    return parseNameText(subject)
      .flat()
      .findLast(({ type }) => type === 'CN')?.value
  } catch {
    return undefined
  }
}

interface Named {
  subject: string
  names: readonly string[]
  serial: string
}

/** What a certificate is called in a list or a heading: its common name, else its first name, its subject, its serial number. */
export function calledBy({ subject, names, serial }: Named): string {
  return commonNameOf(subject) || names[0] || subject || `serial ${serial}`
}

/** For a link or heading: one line, cut. */
export function cut(value: string, most = 80): string {
  const text = shown(value).replace(/\s+/g, ' ')
  return text.length > most ? `${text.slice(0, most)}…` : text
}

/** Names that Windows gives to devices, whatever follows the dot. */
const devices = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i

/**
 * A file name out of what strangers chose: letters, digits, dots, dashes and underscores alone, never a path, a hidden file, a device or an
 * option of a command; at most 64 characters and the suffix.
 */
export function downloadName(called: string, suffix: string): string {
  const text = called
    .replace(/^\*\./, 'wildcard.')
    .replace(/[^A-Za-z0-9._-]+/g, '_')
    .replace(/\.{2,}/g, '.')
    .slice(0, 64)
    .replace(/^[._-]+|[._-]+$/g, '')
  const stem = text === '' ? 'certificate' : devices.test(text) ? `certificate-${text}` : text
  return `${stem}${suffix}`
}

/** A file to keep: never shown in the browser. `name` is one of downloadName. */
export function fileResponse(
  content: Buffer | string | ReadableStream,
  { name, type }: { name: string; type: string },
) {
  const body = Buffer.isBuffer(content) ? new Uint8Array(content) : content
  const headers = { 'Content-Type': type, 'Content-Disposition': `attachment; filename="${name}"` }
  return new Response(body, { headers })
}
