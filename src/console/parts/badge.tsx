/** @jsxImportSource hono/jsx */

type Tone = 'wait' | 'run' | 'good' | 'bad' | 'warn' | 'still'

const words: Record<string, [string, Tone]> = {
  draft: ['Draft', 'still'],
  requested: ['Requested', 'wait'],
  signing: ['Signing', 'run'],
  signed: ['Signed', 'good'],
  revoking: ['Revoking', 'run'],
  revoked: ['Revoked', 'bad'],
  denied: ['Denied', 'bad'],
  canceled: ['Canceled', 'still'],
  expired: ['Expired', 'still'],
  failed: ['Failed', 'bad'],
  issued: ['Active', 'good'],
  active: ['Active', 'good'],
  hold: ['On hold', 'warn'],
  pending: ['Pending', 'wait'],
  processing: ['Processing', 'run'],
  complete: ['Complete', 'good'],
  enabled: ['Enabled', 'good'],
  disabled: ['Disabled', 'still'],
  ok: ['OK', 'good'],
  warn: ['Look', 'warn'],
  fail: ['Fails', 'bad'],
}

/** Where something stands: by its word, a sign and a colour, never by the colour alone. */
export function Badge({ status, tone, label }: { status: string; tone?: Tone; label?: string }) {
  const [word, known] = words[status] ?? [status, 'still']
  return <span class={`badge ${tone ?? known}`}>{label ?? word}</span>
}
