/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import { Field } from './form.tsx'

/** Something in PEM: pasted, dropped onto the field, or chosen as a file, which works without scripts too (its name is `file`). */
export function PemField({
  name,
  label,
  value,
  hint,
}: {
  name: string
  label: string
  value?: string | undefined
  hint: Child
}) {
  return (
    <div class="pem">
      <Field name={name} label={label} value={value} rows={9} code hint={hint} placeholder="-----BEGIN" drop either />
      <div class="field">
        <label for={`file-${name}`}>
          Or a file<span class="quiet"> (instead of the text)</span>
        </label>
        <input id={`file-${name}`} type="file" name="file" accept=".pem,.csr,.p10,.req,.crt,.cer,.der,.txt" />
      </div>
    </div>
  )
}
