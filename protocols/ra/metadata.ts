import { z } from 'zod'
import type { Sighting } from '../../src/core/discovery/sighting.ts'
import type { InventoryEntry } from '../../src/core/inventory/inventory.ts'
import type { LocationEntry } from '../../src/core/inventory/locationEntry.ts'
import { responseAttribute } from './attribute.ts'
import { customAttributeView } from './customAttribute.ts'
import { derivedUuid } from './derivedUuid.ts'

const sourceObject = z.object({ uuid: z.string(), name: z.string() })
type SourceObject = z.output<typeof sourceObject>

/** MetadataResponseDto: items, each with the objects that it came from. */
export const metadata = z
  .object({
    connectorUuid: z.string(),
    connectorName: z.string(),
    sourceObjectType: z.enum(['certificates', 'locations', 'discoveries']),
    items: z.array(responseAttribute.extend({ sourceObjects: z.array(sourceObject) })),
  })
  .meta({ id: 'Metadata' })
type Metadata = z.output<typeof metadata>
type Item = Metadata['items'][number]

/** Places of one item at most: a certificate may be seen at very many. */
const MOST_PLACES = 100

/** One entry, or none where there is nothing to say. What several objects say alike is said once, with all of them. */
function about(sourceObjectType: Metadata['sourceObjectType'], items: readonly Item[]): Metadata[] {
  const distinct = new Map<string, Item>()
  for (const item of items) {
    const key = JSON.stringify([item.name, item.content])
    const known = distinct.get(key)
    distinct.set(key, { ...item, sourceObjects: [...(known?.sourceObjects ?? []), ...item.sourceObjects] })
  }
  if (distinct.size === 0) return []
  const by = { connectorUuid: derivedUuid('countersign'), connectorName: 'countersign' }
  return [{ ...by, sourceObjectType, items: [...distinct.values()] }]
}

interface Said {
  name: string
  contentType: 'string' | 'datetime'
  values: readonly (string | undefined)[]
}

function item({ name, contentType, values }: Said, sourceObjects: SourceObject[]): Item[] {
  const content = values.flatMap((data) => (data === undefined ? [] : [{ data }]))
  if (content.length === 0) return []
  return [{ name, label: name, type: 'meta', contentType, content, version: 'v2', sourceObjects }]
}

type Arrival = Pick<LocationEntry, 'pushedAt' | 'delivered'>

function arrivalItems({ pushedAt, delivered = { fingerprint: '' } }: Arrival, location: SourceObject): Item[] {
  const { fingerprint, files = [], server, delivery } = delivered
  const from = [location]
  return [
    ...item({ name: 'deliveredAt', contentType: 'datetime', values: [pushedAt?.toISOString()] }, from),
    ...item({ name: 'fingerprint', contentType: 'string', values: [fingerprint || undefined] }, from),
    ...item({ name: 'files', contentType: 'string', values: files }, from),
    ...item({ name: 'server', contentType: 'string', values: [server] }, from),
    ...item({ name: 'delivery', contentType: 'string', values: [delivery] }, from),
  ]
}

/** What is known of a certificate in a location: when it was put there, as what, and in which message. */
export function entryMetadata(arrival: Arrival, { uuid, name }: SourceObject): Metadata[] {
  return about('locations', arrivalItems(arrival, { uuid, name }))
}

/** What is known of a location. */
export function locationMetadata({ uuid, name, deliveredAt }: LocationEntry['location']): Metadata[] {
  const said: Said = { name: 'deliveredAt', contentType: 'datetime', values: [deliveredAt?.toISOString()] }
  return about('locations', item(said, [{ uuid, name }]))
}

interface Known {
  certificate: SourceObject
  entry: Pick<InventoryEntry, 'metadata' | 'locations'>
  sightings: readonly Sighting[]
}

/** What programs noted about a certificate, what came of putting it somewhere, and where discoveries have seen it. */
export function certificateMetadata({ certificate, entry, sightings }: Known): Metadata[] {
  const noted = entry.metadata.map((one) => ({ ...customAttributeView(one, 'meta'), sourceObjects: [certificate] }))
  return [
    ...about('certificates', noted),
    ...about(
      'locations',
      entry.locations.flatMap(({ location, ...arrival }) => arrivalItems(arrival, nameOf(location))),
    ),
    ...about('discoveries', sightings.slice(0, MOST_PLACES).flatMap(seen)),
  ]
}

const nameOf = ({ uuid, name }: SourceObject): SourceObject => ({ uuid, name })

function seen({ place, discoveries }: Sighting): Item[] {
  return item({ name: 'place', contentType: 'string', values: [place] }, discoveries.map(nameOf))
}
