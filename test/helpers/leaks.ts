import { randomBytes } from 'node:crypto'

/** A text that must be nowhere but where it was given. */
export interface Planted {
  what: string
  secret: string
}

/** Every way in which a secret may be written: as it is, in base64 behind up to two octets of anything, base64url, hex, percent-encoded, as JSON has it. */
export function formsOf(secret: string): string[] {
  const octets = [Buffer.from(secret)]
  // What is itself an encoding of octets leaks by those too.
  if (/^[\w-]{32,}$/.test(secret)) octets.push(Buffer.from(secret, 'base64url'))
  if (/^[0-9A-Fa-f]{32,}$/.test(secret)) octets.push(Buffer.from(secret, 'hex'))
  const forms = new Set([secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
  forms.add(encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()))
  for (const own of octets) {
    for (const hex of [own.toString('hex'), own.toString('hex').toUpperCase()]) forms.add(hex)
    for (let before = 0; before < 3; before++) {
      const text = Buffer.concat([Buffer.alloc(before), own])
        .toString('base64')
        .replace(/=+$/, '')
      // Without the characters that its neighbours have a part in.
      const inner = text.slice(before === 0 ? 0 : before + 1, -1)
      forms.add(inner)
      forms.add(inner.replaceAll('+', '-').replaceAll('/', '_'))
    }
  }
  return [...forms]
}

/** What of it stands in a text, each with its surroundings, the secret itself left out. */
export function leaksIn(where: string, text: string, planted: readonly Planted[]): string[] {
  return planted.flatMap(({ what, secret }) => {
    const form = formsOf(secret).find((form) => text.includes(form))
    if (form === undefined) return []
    const at = text.indexOf(form)
    return [`${what} in ${where}: …${text.slice(Math.max(0, at - 120), at)}<here>`]
  })
}

/** A token like that of an OpenID provider, signed by nobody. */
export function unsignedJwt(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256', kid: 'x' })}.${part({ sub: 'x', iss: 'https://localhost' })}.${randomBytes(64).toString('base64url')}`
}
