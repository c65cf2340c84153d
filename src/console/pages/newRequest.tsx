/** @jsxImportSource hono/jsx */
import { randomUUID } from 'node:crypto'
import type { Failure } from '../../core/failure.ts'
import type { Simulation } from '../../core/issuance/simulate.ts'
import type { ProfileRecord } from '../../core/profile/raProfiles.ts'
import { cut } from '../certificateName.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { may } from '../may.ts'
import { ordered, readOrder, simulated, type Way, wayOf } from '../newOrder.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Trouble } from '../parts/form.tsx'
import { Head, Note, Tabs } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'
import { askedAttributes } from '../requestAttributes.ts'
import { moveOn } from '../told.ts'
import { OrderForm } from './newForm.tsx'
import { Foreseen } from './newOutcome.tsx'
import { newResultPages } from './newResult.tsx'

const here = (name: string, way?: Way) =>
  `/console/new/${encodeURIComponent(name)}${way === undefined || way === 'csr' ? '' : `?way=${way}`}`

/** Over which profile. */
async function choose(visit: Visit): Promise<Shown | Response> {
  const named = visit.query.get('profile')
  if (named) return moveOn(visit, here(named))
  const profiles = (await visit.door.raProfiles.list()).filter(({ enabled }) => enabled)
  const orderable = profiles.filter(({ name, authority }) => may(visit, 'create_cert', { profile: name, authority }))
  const body = (
    <>
      <Head
        title="New certificate"
        about="First the RA profile: it says what a certificate may be, and who must approve it."
      />
      <Table
        caption="RA profiles"
        rows={orderable}
        empty={
          profiles.length === 0
            ? 'There is no RA profile yet. An administrator makes one.'
            : 'You may not order over any profile: an administrator gives you create_cert for one.'
        }
        columns={[
          { head: 'Profile', names: true, cell: ({ name }) => <a href={here(name)}>{cut(name)}</a> },
          { head: 'About', cell: (profile) => <Text value={aboutOf(profile)} /> },
          { head: 'Authority', cell: ({ authority }) => <Text value={authority} /> },
        ]}
      />
    </>
  )
  return { title: 'New certificate', section: 'certificates', body }
}

/** What the profile says of itself to programs. */
function aboutOf({ protocols }: ProfileRecord): string {
  const { ra } = protocols as { ra?: { description?: unknown } }
  return typeof ra?.description === 'string' ? ra.description : ''
}

interface Tried {
  simulation?: Simulation
  failure?: Failure
}

async function orderPage(visit: Visit, { simulation, failure }: Tried = {}): Promise<Shown> {
  const { profile, authority } = await visit.door.serving({ name: visit.params.profile ?? '' })
  const values = visit.form.values()
  const way = wayOf(values.way ?? visit.query.get('way'))
  const { name } = profile
  const tabs = [
    { label: 'I have a request', to: here(name) },
    { label: 'The server makes the key', to: here(name, 'server') },
    { label: 'My browser makes the key', to: here(name, 'browser') },
  ]
  const body = (
    <>
      <Head title={`New certificate over ${cut(name, 60)}`} about={`Issued by ${cut(authority.name, 60)}.`}>
        <a class="button" href="/console/new">
          Another profile
        </a>
      </Head>
      <Tabs label="Where the key is made" tabs={tabs} here={here(name, way)} />
      {failure && <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} />}
      {simulation && <Foreseen simulation={simulation} />}
      {way === 'server' && (
        <ServerKeyNote
          visit={visit}
          at={{ profile: name, authority: authority.name }}
          rules={profile.rules.export.length}
        />
      )}
      {way === 'browser' && (
        <Note>
          The key is made on this computer and never leaves it: you save it as a file, and only the request is sent.
          Whoever loses that file loses the key.
        </Note>
      )}
      <OrderForm
        visit={visit}
        profile={profile}
        way={way}
        asked={await askedAttributes(visit, profile)}
        values={values}
        once={values.once ?? randomUUID()}
      />
    </>
  )
  return { title: 'New certificate', section: 'certificates', body }
}

function ServerKeyNote({
  visit,
  at,
  rules,
}: {
  visit: Visit
  at: { profile: string; authority: string }
  rules: number
}) {
  if (rules > 0)
    return (
      <Note tone="warn">
        This profile has rules for exports, so that a key which the server makes cannot be downloaded: choose another
        way.
      </Note>
    )
  if (!may(visit, 'export_private_key', at))
    return (
      <Note tone="warn">
        The server makes the key and keeps it, sealed. You have no export_private_key here: somebody else must download
        it.
      </Note>
    )
  return <Note>The server makes the key and keeps it, sealed. You download it with the certificate as a PFX file.</Note>
}

/** Simulates or orders, by the button. */
async function act(visit: Visit): Promise<Shown | Response> {
  const { profile } = await visit.door.serving({ name: visit.params.profile ?? '' })
  const order = await readOrder(visit, profile)
  if (visit.form.raw('do', 20) === 'simulate')
    return orderPage(visit, { simulation: await visit.door.simulate(await simulated(visit, order)) })
  const { draft, claim } = await ordered(visit, order)
  const { request } = await visit.door.sign(draft, claim)
  return moveOn(visit, `/console/new/done/${request.uuid}`)
}

export const newRequestPages = [
  page('/new', choose),
  ...newResultPages,
  page('/new/:profile', (visit) => orderPage(visit)),
  action('/new/:profile', act, { again: (visit, failure) => orderPage(visit, { failure }) }),
]
