/** @jsxImportSource hono/jsx */

import type { Simulation } from '../../core/issuance/simulate.ts'
import type { Finding } from '../../core/request/request.ts'
import { purposeWord } from '../certificateWords.ts'
import { Note, Panel } from '../parts/panel.tsx'
import { Facts } from '../parts/table.tsx'
import { Moment, Text, Texts } from '../parts/text.tsx'

/** What would become of an order: the rule and its people, the certificate, and what policy has to say. */
export function Foreseen({ simulation }: { simulation: Simulation }) {
  const { certificate, refused, findings } = simulation
  return (
    <Panel title="What would become of it" id="foreseen">
      <Verdict simulation={simulation} />
      {refused.length > 0 && (
        <ul class="findings">
          {refused.map(({ policy, detail }) => (
            <li>
              <strong>{policy}</strong> <Text value={detail} most={300} />
            </li>
          ))}
        </ul>
      )}
      <Findings findings={findings} />
      {certificate && (
        <Facts
          rows={[
            ['Subject', <Text value={certificate.subject || 'empty'} />],
            ['Names', <Texts values={certificate.identifiers.map(({ value }) => value)} most={8} />],
            [
              'Good',
              <>
                <Moment at={certificate.notBefore} /> – <Moment at={certificate.notAfter} />
              </>,
            ],
            ['Type', certificate.type.replaceAll('_', ' ')],
            ['Key usage', certificate.keyUsage.join(', ')],
            ['Purposes', certificate.extendedKeyUsage.map(purposeWord).join(', ')],
            certificate.mustStaple && ['OCSP must-staple', 'yes'],
          ]}
        />
      )}
      <p class="hint">Nothing was stored, and nobody was asked.</p>
    </Panel>
  )
}

function Verdict({ simulation: { decision, refused } }: { simulation: Simulation }) {
  if (refused.length > 0 || !decision) return <Note tone="bad">Policy would refuse it:</Note>
  const rule = (
    <>
      The rule <Text value={decision.rule} most={100} /> decides.
    </>
  )
  if (decision.outcome === 'auto') return <Note tone="good">It would be issued at once. {rule}</Note>
  if (decision.outcome === 'deny')
    return (
      <Note tone="bad">
        It would be denied: <Text value={decision.message ?? ''} most={300} /> {rule}
      </Note>
    )
  return (
    <Note tone="warn">
      It would wait for people. {rule}
      <ol>
        {decision.steps.map(({ quorum, mayApprove }) => (
          <li>
            {mayApprove.length === 0 ? (
              `Nobody may approve it (${quorum} must): whoever could stands behind the request.`
            ) : (
              <>
                {quorum} of <Texts values={mayApprove} most={8} />
              </>
            )}
          </li>
        ))}
      </ol>
    </Note>
  )
}

export function Findings({ findings }: { findings: readonly Finding[] }) {
  if (findings.length === 0) return null
  return (
    <Note tone="warn">
      Noticed on the way:
      <ul>
        {findings.map(({ by, check, detail }) => (
          <li>
            <strong>{check}</strong> <span class="quiet">({by})</span> <Text value={detail} most={300} />
          </li>
        ))}
      </ul>
    </Note>
  )
}
