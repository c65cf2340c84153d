/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import { Days } from './days.tsx'
import { Text } from './text.tsx'

export interface ChainLink {
  name: string
  /** Root CA, intermediate CA … */
  kind: string
  serial: string
  notAfter: Date
  /** Where there is a page for it. */
  to?: string
}

/** A chain from its root down to a certificate, as a nested list that looks like a tree. `issuer`: who is missing above it. */
export function Chain({ links, issuer, now }: { links: readonly ChainLink[]; issuer: string | undefined; now: Date }) {
  const [first, ...rest] = links
  if (issuer !== undefined)
    return (
      <ol class="chain">
        <li>
          <div class="link missing">
            <span class="kind">Not known here</span>
            <Text value={issuer} />
          </div>
          {links.length > 0 && <Chain links={links} issuer={undefined} now={now} />}
        </li>
      </ol>
    )
  if (!first) return null
  return (
    <ol class="chain">
      <li>
        <Link link={first} now={now} last={rest.length === 0} />
        {rest.length > 0 && <Chain links={rest} issuer={undefined} now={now} />}
      </li>
    </ol>
  )
}

function Link({ link, now, last }: { link: ChainLink; now: Date; last: boolean }) {
  const { name, kind, serial, notAfter, to } = link
  const label: Child = <Text value={name} most={70} />
  return (
    <div class={last ? 'link here' : 'link'}>
      <span class="kind">{last ? `This ${kind.toLowerCase()}` : kind}</span>
      {to === undefined ? (
        <strong>{label}</strong>
      ) : (
        <strong>
          {label} <a href={to}>open</a>
        </strong>
      )}
      <span class="under">
        serial <span class="mono">{serial}</span> · <Days at={notAfter} now={now} />
      </span>
    </div>
  )
}
