# frozen_string_literal: true

# Textile on standard input -> what Redmine makes of it, as JSON: the HTML of its formatter, and everything outside of <pre>
# and <code> that its own expressions would turn into a link or run as a macro. Nothing of Redmine is copied here: it is
# loaded from where Debian installs it.

require 'json'
require 'strscan'
require 'active_support/all'
require 'action_view'

ROOT = ARGV.fetch(0)
LIB = "#{ROOT}/lib/redmine"
require "#{LIB}/helpers/url"
Dir["#{LIB}/wiki_formatting/links_helper.rb"].each { |file| require file }
require "#{LIB}/wiki_formatting"
require "#{LIB}/wiki_formatting/textile/redcloth3"
require "#{LIB}/wiki_formatting/textile/formatter"

helper = File.read("#{ROOT}/app/helpers/application_helper.rb", encoding: 'utf-8')
links = eval(helper[/LINKS_RE =\s*(%r\{.*?\}x)/m, 1]) # rubocop:disable Security/Eval
macros = eval(helper[%r{MACROS_RE = (/.*?/mx)}m, 1]) # rubocop:disable Security/Eval
wiki = eval(helper[%r{def parse_wiki_links.*?text\.gsub!\((/.*?/)\)}m, 1]) # rubocop:disable Security/Eval

STDIN.set_encoding('utf-8')
STDOUT.set_encoding('utf-8')
answers = JSON.parse(STDIN.read).map do |text|
  html = Redmine::WikiFormatting::Textile::Formatter.new(text.dup).to_html
  outside = html.gsub(%r{<(pre|code)\b.*?</\1>}m, "\n")
  found = [links, wiki].flat_map { |expression| outside.to_enum(:scan, expression).map { Regexp.last_match(0) } }
  { html: html, found: found, macros: text.to_enum(:scan, macros).map { Regexp.last_match(0) } }
end
puts JSON.generate(answers)
