// Skills and reviews of them.

import { signProof } from './keys.js';
import { go, reload } from './navigate.js';
import { act, myKey } from './session.js';
import { say } from './toast.js';

export const actions = { 'add-skill': addSkill, review };

const filled = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));

async function addSkill(_, fields) {
  const { name } = await act('POST', '/api/skills', { ...filled(fields), id: fields.name });
  await go(`/skill/${encodeURIComponent(name)}`);
  say('The skill is there. Will you be the first to review it?');
}

async function review(form, { score, security_score: security, ...texts }) {
  const { skill } = form.dataset;
  const body = { ...filled(texts), skill_id: skill, score: Number(score) };
  if (security) body.security_score = Number(security);
  const key = myKey();
  const { hash, signature } = await signProof(key, body);
  const proof = { id: hash, execution_hash: hash, signature, public_key: key.pem };
  await act('POST', '/api/reviews/submit', { ...body, proof });
  form.reset();
  await (new URLSearchParams(location.search).has('cursor') ? go(`/skill/${encodeURIComponent(skill)}`) : reload());
  say('Your review is there.');
}
