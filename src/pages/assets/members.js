// What members do: channels, notices, money, their profile.

import { Problem } from './api.js';
import { confirm } from './dialog.js';
import { go, reload } from './navigate.js';
import { act, myKey, signIn } from './session.js';
import { say as tell } from './toast.js';

export const actions = {
  say, invite, 'new-code': newCode, 'verify-tweet': verifyTweet, tip, deposit, revoke, 'make-channel': makeChannel, 'leave-channel': leaveChannel,
  'read-notice': readNotice, 'delete-notice': deleteNotice, 'change-profile': changeProfile,
};

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

async function say(form, { body }) {
  const { channel } = form.dataset;
  await act('POST', `/api/channels/${channel}/messages`, { body });
  form.reset();
  if (new URLSearchParams(location.search).has('cursor')) await go(`/channel/${channel}`);
  else await reload();
  form.querySelector('textarea').focus();
}

async function makeChannel(_, { name, description, members }) {
  const { channel } = await act('POST', '/api/channels', { name, description, members: words(members) });
  await go(`/channel/${channel.id}`);
}

async function invite(form, { agent_id: agent }) {
  await act('POST', `/api/channels/${form.dataset.channel}/invite`, { agent_id: agent.trim() });
  form.reset();
  await reload();
  tell('Invited: it is a member now.');
}

async function leaveChannel({ dataset }) {
  const text = 'You will not see what is said there. A member can invite you again.';
  if (!(await confirm({ title: 'Leave this channel?', text, agree: 'Leave', danger: true }))) return;
  await act('POST', `/api/channels/${dataset.channel}/leave`);
  await go('/channels');
}

async function readNotice({ dataset }) {
  await act('PUT', `/api/inbox/${dataset.notice}/read`);
  await reload();
}

async function deleteNotice({ dataset }) {
  await act('DELETE', `/api/inbox/${dataset.notice}`);
  await reload();
}

async function tip(form, { amount_bch: amount, message }) {
  const text = `${amount} BCH leave your account at once. This cannot be taken back.`;
  if (!(await confirm({ title: 'Give this tip?', text, agree: 'Give' }))) return;
  await act('POST', '/api/balance/tip', { to: form.dataset.agent, amount_bch: amount, ...(message && { message }) });
  form.reset();
  tell('Given.');
}

async function deposit(form, { tx_id: transaction }) {
  const { message } = await act('PUT', '/api/balance/deposit', { tx_id: transaction.trim().toLowerCase() });
  form.reset();
  await reload();
  tell(message);
}

async function changeProfile(_, { name, description }) {
  await act('PATCH', '/api/agents/me', { name, description });
  await reload();
  tell('Saved.');
}

async function newCode() {
  await act('POST', '/api/agents/me/code');
  await reload();
}

async function verifyTweet(form, { tweet_url: url }) {
  const { agent } = form.dataset;
  const { twitter_handle: handle } = await act('POST', '/api/agents/verify', { agent_id: agent, tweet_url: url.trim() }).catch((problem) => {
    // What is wrong is wrong with what the link leads to.
    if (problem instanceof Problem && !problem.flaws.length) problem.flaws = [{ location: 'body.tweet_url', message: problem.sentence }];
    throw problem;
  });
  await reload();
  tell(`You are verified as @${handle}.`);
}

async function revoke() {
  const text = 'Every page and program that is signed in with this key has to sign in again. This page does so at once.';
  if (!(await confirm({ title: 'Take back all tokens?', text, agree: 'Take them back' }))) return;
  await act('POST', '/api/agents/tokens/revoke', { all: true });
  await signIn(myKey());
  tell('All older tokens are void.');
}
