/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { RequestKind } from '../../core/approval/approval.ts'
import type { WaitingRequest } from '../../core/approval/waitingRequests.ts'
import { Failure } from '../../core/failure.ts'
import { sentence } from '../failurePage.tsx'
import { action, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Field, PostForm } from '../parts/form.tsx'
import { Head } from '../parts/panel.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'

const most = 100

/** A tick for one row. Its value names what was shown, so that nothing else is voted on. */
export function tick(row: WaitingRequest) {
  const name = row.commonName ?? row.names[0] ?? String(row.id)
  return (
    <input
      type="checkbox"
      name="row"
      value={`${row.uuid} ${row.hash}`}
      aria-label={`Choose ${name.slice(0, 100)}, asked by ${row.requester.slice(0, 100)}`}
    />
  )
}

/** Around a table with ticks: what to do with those that are chosen. */
export function BulkForm({ visit, kind, children }: { visit: Visit; kind: RequestKind; children: Child }) {
  return (
    <PostForm visit={visit} to={`/console/requests/${kind}/bulk`} class="bulk">
      {children}
      <fieldset class="deciding">
        <legend>Decide on the chosen ones</legend>
        <label class="all">
          <input type="checkbox" data-all="row" /> Choose all on this page
        </label>
        <Field
          name="reason"
          label="Reason"
          maxlength={1000}
          hint="Whoever asked reads the reason of a denial, which needs one."
        />
        <button type="submit" name="verdict" value="approve" class="primary">
          Approve chosen
        </button>
        <button type="submit" name="verdict" value="deny" class="danger">
          Deny chosen
        </button>
      </fieldset>
    </PostForm>
  )
}

interface Result {
  uuid: string
  name: string
  status?: string
  /** Why not. */
  trouble?: string
}

async function decideAll(visit: Visit, kind: RequestKind): Promise<Shown> {
  const { form } = visit
  const verdict = form.text('verdict') === 'deny' ? 'deny' : 'approve'
  const reason = form.text('reason', 1000)
  const chosen = form.all('row', most)
  if (chosen.length === 0) throw new Failure('malformed', 'choose at least one request')
  if (verdict === 'deny' && reason === undefined)
    throw new Failure('malformed', 'say why: a denial needs a reason, which whoever asked reads')
  const results: Result[] = []
  // One after the other: each is a decision of its own.
  for (const one of new Set(chosen)) {
    const [uuid = '', hash = ''] = one.split(' ')
    results.push(await decideOne(visit, kind, { uuid, hash, verdict, ...(reason === undefined ? {} : { reason }) }))
  }
  return shownResults(kind, verdict, results)
}

interface Decided {
  uuid: string
  hash: string
  verdict: 'approve' | 'deny'
  reason?: string
}

async function decideOne({ door }: Visit, kind: RequestKind, { uuid, ...vote }: Decided): Promise<Result> {
  const told = await refusalOf(async () => void (await door.approvals.vote(kind, uuid, vote)))
  const trouble = told === undefined ? {} : { trouble: sentence(told) }
  const row = await door.list.request(uuid, kind).catch(() => undefined)
  return {
    uuid,
    name: row?.names[0] ?? row?.wanted?.subject ?? uuid,
    ...(row ? { status: row.status } : {}),
    ...trouble,
  }
}

async function refusalOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    if (error instanceof Failure && error.code !== 'internal') return error.detail
    throw error
  }
}

function shownResults(kind: RequestKind, verdict: 'approve' | 'deny', results: Result[]): Shown {
  const done = results.filter(({ trouble }) => trouble === undefined).length
  const verb = verdict === 'approve' ? 'approved' : 'denied'
  const title = `${done} of ${results.length} ${verb}`
  const body = (
    <>
      <Head title={title} about="Each request was decided for itself.">
        <a class="button" href={`/console/requests/${kind}?mine=1`}>
          To what waits for me
        </a>
      </Head>
      <Table
        caption="What became of each"
        rows={results}
        empty=""
        columns={[
          {
            head: 'Name',
            names: true,
            cell: ({ uuid, name }) => (
              <a href={`/console/requests/${kind}/${encodeURIComponent(uuid)}`}>
                <Text value={name} most={64} />
              </a>
            ),
          },
          {
            head: 'Your vote',
            cell: ({ trouble }) =>
              trouble === undefined ? (
                <Badge status="ok" label="Counted" />
              ) : (
                <Badge status="fail" label="Not counted" />
              ),
          },
          { head: 'Status', cell: ({ status }) => status && <Badge status={status} /> },
          { head: 'Why not', cell: ({ trouble }) => trouble && <Text value={trouble} most={300} /> },
        ]}
      />
    </>
  )
  return { title, section: 'requests', body }
}

export const requestBulkPages = (['sign', 'revoke'] as const).map((kind) =>
  action(`/requests/${kind}/bulk`, (visit) => decideAll(visit, kind)),
)
